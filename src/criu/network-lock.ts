// How connections are locked while a tree is dumped. CRIU's default needs iptables-restore, which many hosts no longer have; nftables
// it drives through a library. So where the default must fail Frazil chooses for the caller (ADR 0006), and only there: with nftables
// CRIU makes its table even when there is nothing to lock, while the tree is frozen, and that takes tens of milliseconds.

import { readlink } from 'node:fs/promises';
import type { NetworkLock } from '../options/types.js';
import { findProgram } from './find-program.js';

export interface LockNeed {
  readonly pid: number;
  readonly networkLock?: NetworkLock | undefined;
  readonly tcpEstablished?: boolean | undefined;
}

/** `undefined`: CRIU's own default. */
export async function chooseNetworkLock(
  { pid, networkLock, tcpEstablished }: LockNeed,
  path: string | undefined = process.env['PATH'],
): Promise<NetworkLock | undefined> {
  if (networkLock !== undefined) return networkLock;
  // criu/net.c, network_lock(): connections are locked one by one, or a whole network namespace that is not CRIU's.
  if (tcpEstablished !== true && (await sharesOurNetwork(pid))) return undefined;
  return (await findProgram('iptables-restore', { path })) === undefined ? 'nftables' : undefined;
}

/** Whether the process is in the network namespace that Frazil, and so CRIU, is in. False when it is gone. */
export async function sharesOurNetwork(pid: number): Promise<boolean> {
  const [ours, theirs] = await Promise.all(['self', pid].map((who) => readlink(`/proc/${who}/ns/net`).catch(() => '')));
  return ours !== '' && ours === theirs;
}
