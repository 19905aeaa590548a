// What CRIU would have done for the network, when it died in the middle of a dump and the tree lives on. Two things keep the tree's
// connections dead then, and have no owner any more: repair mode (end-repair.ts) and a packet filter (packet-filter.ts).
//
// CRIU removes the filter first, but its tree still stands. Ours runs since the moment CRIU died, for the kernel has let go of it, and
// a packet that comes in before repair mode has ended would make it read, and fail. So repair mode ends first, and when the filter is
// gone a second window probe tells the peer that somebody is there, because the filter has swallowed the first. Some milliseconds
// remain in which the tree can notice.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FILES_LAYOUT, readWholeEntries } from '../images/entries.js';
import { treeOf } from '../pages/estimate.js';
import { endRepair } from './end-repair.js';
import { sharesOurNetwork } from './network-lock.js';
import { type FilteredNetwork, removeFilter } from './packet-filter.js';

export interface LockedNetwork extends Pick<FilteredNetwork, 'criu' | 'method' | 'images'> {
  /** The root of the tree. */
  readonly pid: number;
  readonly logFile: string;
  /** A path of the root's network namespace that is good when the tree has gone. Default: found by the root. */
  readonly namespace?: string;
  /** Whether there is a checkpoint. The connections of a tree that was killed for it stay locked, for the restore. */
  readonly committed: boolean;
}

/** Gives the connections back. Never rejects: resolves with what is left, as sentences for the error that the dump ends with. */
export async function unlockNetwork(network: LockedNetwork): Promise<string | undefined> {
  const { pid, images } = network;
  const alive = await isAlive(pid);
  if (!alive && network.committed) return undefined;
  using repaired = endRepair(alive ? await treeOf(pid) : []);
  const filterLeft = await unfilter(network, alive).catch(messageOf);
  repaired.finish(await reusingAddresses(images));
  const { failure } = repaired;
  const repairLeft = failure === undefined ? undefined : `Not every connection works again: ${messageOf(failure)}`;
  return [repairLeft, filterLeft].filter((sentence) => sentence !== undefined).join('. ') || undefined;
}

// CRIU locks the root's network namespace as a whole when that is not its own.
async function unfilter({ pid, logFile, ...network }: LockedNetwork, alive: boolean): Promise<string | undefined> {
  const log = await readFile(logFile, 'utf8').catch(() => '');
  const apart = alive && !(await sharesOurNetwork(pid));
  return removeFilter({ ...(apart ? { namespace: `/proc/${pid}/ns/net` } : {}), ...network, log });
}

// Missing where CRIU died before it wrote them: without SO_REUSEADDR a connection works, only its port may be taken for a while longer.
async function reusingAddresses(images: string): Promise<ReadonlySet<number>> {
  const files = await readWholeEntries(join(images, 'files.img'), FILES_LAYOUT);
  const sockets = files.flatMap(({ isk }) => (isk?.opts.reuseaddr === true ? [isk.ino] : []));
  return new Set(sockets);
}

const PF_EXITING = 4;
const SIGKILL_BIT = 1 << 8;

// proc(5), /proc/PID/stat: 3 state, 9 flags, 31 pending signals. CRIU kills the root first: while that is not dying, none is.
async function isAlive(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const field = (number: number): string => fields[number - 3] ?? '';
  if (stat === '' || 'ZX'.includes(field(3))) return false;
  return (Number(field(9)) & PF_EXITING) === 0 && (Number(field(31)) & SIGKILL_BIT) === 0;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
