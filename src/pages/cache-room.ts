// How much may be written into a file before the kernel makes the writer wait for the disk: a copying thread that it stops in the
// middle of a freeze stops the tree with it. proc(5) /proc/sys/vm/dirty_*; mm/page-writeback.c, dirty_freerun_ceiling(): nobody waits below the
// mean of both thresholds.

import { readFile, statfs } from 'node:fs/promises';

// Where this was measured. Elsewhere a close may wait for a server (NFS), or a page is written anew instead of over the old (btrfs).
const WRITES_BACK = new Set([0xef53, 0x58465342]);
const TMPFS = 0x01021994;
const KIB = 1024;

/** Bytes, out of `availableBytes`, for files in `directory`; 0 where it cannot be told, or where writing is known to wait. */
export async function cacheRoom(directory: string, availableBytes: number): Promise<number> {
  const type = await statfs(directory).then(
    (found) => found.type,
    () => undefined,
  );
  if (type === undefined) return 0;
  if (type === TMPFS) return availableBytes;
  if (!WRITES_BACK.has(type)) return 0;
  const [begin, wait, meminfo] = await Promise.all([
    threshold('dirty_background', availableBytes),
    threshold('dirty', availableBytes),
    readFile('/proc/meminfo', 'utf8'),
  ]);
  const dirty = kib(meminfo, 'Dirty') + kib(meminfo, 'Writeback');
  return Math.max(0, (begin + wait) / 2 - dirty);
}

/** `_bytes` counts when it is set, `_ratio` (percent of what is available) when it is not. */
async function threshold(name: 'dirty_background' | 'dirty', availableBytes: number): Promise<number> {
  const [bytes, ratio] = await Promise.all([setting(`${name}_bytes`), setting(`${name}_ratio`)]);
  return bytes > 0 ? bytes : (availableBytes * ratio) / 100;
}

async function setting(name: string): Promise<number> {
  return Number(await readFile(`/proc/sys/vm/${name}`, 'utf8').catch(() => '0'));
}

function kib(meminfo: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(meminfo)?.[1] ?? 0) * KIB;
}
