// What the running kernel can do, found out without CRIU.

import { open, readFile } from 'node:fs/promises';
import { release } from 'node:os';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { textOf } from './proc-files.js';
import { parseMaps } from './proc-text.js';

export interface KernelReport {
  readonly release: string;
  /** Tracking of changed pages: pre-dump needs it. */
  readonly softDirty: boolean;
  /** Lazy restore needs it. */
  readonly userfaultfd: boolean;
  /** PAGEMAP_SCAN ioctl, from 6.7 on. */
  readonly pagemapScan: boolean;
  /** pidfd_getfd(2), from 5.6 on: exact detection of reused pids. */
  readonly pidfdGetfd: boolean;
  /** clone3 with set_tid, from 5.5 on: exact pids without racing for ns_last_pid. */
  readonly setTid: boolean;
  /** CONFIG_CHECKPOINT_RESTORE; absent when the configuration cannot be read. */
  readonly checkpointRestore?: boolean;
}

export type KernelVersion = readonly [major: number, minor: number];

export async function readKernel(): Promise<KernelReport> {
  const version = parseRelease(release());
  const config = await readConfig();
  return {
    release: release(),
    softDirty: await hasSoftDirty(),
    userfaultfd: (await textOf('/proc/sys/vm/unprivileged_userfaultfd')) !== undefined,
    pagemapScan: isAtLeast(version, [6, 7]),
    pidfdGetfd: isAtLeast(version, [5, 6]),
    setTid: isAtLeast(version, [5, 5]),
    ...(config === undefined ? {} : { checkpointRestore: /^CONFIG_CHECKPOINT_RESTORE=y$/m.test(config) }),
  };
}

/** "6.18.5-amd64" is [6, 18]. */
export function parseRelease(text: string): KernelVersion {
  const match = /^(\d+)\.(\d+)/.exec(text);
  return [Number(match?.[1] ?? 0), Number(match?.[2] ?? 0)];
}

export function isAtLeast([major, minor]: KernelVersion, [wantedMajor, wantedMinor]: KernelVersion): boolean {
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
}

/** A page of a process that nobody has reset is soft-dirty from its first use on; without the feature the bit is always 0. */
const SOFT_DIRTY_BIT = 55n;
const PRESENT_BIT = 63n;
const ENTRY_BYTES = 8;
const PAGE_BYTES = 4096n;
/** A stack of some pages is enough; a huge one need not be read. */
const MAX_ENTRIES = 4096;

/** Asks the kernel itself: the configuration may be unreadable, and an emulated /proc may lie about it. */
export async function hasSoftDirty(): Promise<boolean> {
  const stack = parseMaps((await textOf('/proc/self/maps')) ?? '').find(({ path }) => path === '[stack]');
  const file = await open('/proc/self/pagemap', 'r').catch(() => undefined);
  if (stack === undefined || file === undefined) return false;
  try {
    const [start = 0n, end = 0n] = stack.range.split('-').map((address) => BigInt(`0x${address}`));
    const length = Math.min(Number((end - start) / PAGE_BYTES), MAX_ENTRIES) * ENTRY_BYTES;
    const { buffer, bytesRead } = await file.read(
      Buffer.alloc(length),
      0,
      length,
      Number((start / PAGE_BYTES) * BigInt(ENTRY_BYTES)),
    );
    for (let at = 0; at + ENTRY_BYTES <= bytesRead; at += ENTRY_BYTES) {
      const entry = buffer.readBigUInt64LE(at);
      if ((entry >> PRESENT_BIT) & 1n && (entry >> SOFT_DIRTY_BIT) & 1n) return true;
    }
    return false;
  } finally {
    await file.close();
  }
}

async function readConfig(): Promise<string | undefined> {
  const packed = await readFile('/proc/config.gz').catch(() => undefined);
  if (packed !== undefined) return (await promisify(gunzip)(packed)).toString('utf8');
  return textOf(`/boot/config-${release()}`);
}
