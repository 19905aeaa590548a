// How many bytes a dump of a tree will carry, asked of /proc before anything is frozen: anonymous memory of every task (a page shared
// by copy-on-write is dumped once for each) and its share of the resident shared memory. Pages of files that nobody has changed are
// not dumped. proc(5): /proc/PID/smaps_rollup, /proc/PID/task/TID/children.

import { readdir, readFile } from 'node:fs/promises';
import { totalmem } from 'node:os';
import { mapFew } from './few.js';

export interface TreeEstimate {
  /** Root first. */
  readonly pids: readonly number[];
  readonly bytes: number;
}

/** The fields of smaps_rollup that say what a dump will carry, in KiB. */
export const DUMPED = ['Anonymous', 'Pss_Shmem', 'Swap'] as const;
const KIB = 1024;

/** A task that ends meanwhile counts as nothing; so does one whose figures may not be read. Empty when the root is gone. */
export async function estimateTree(root: number): Promise<TreeEstimate> {
  const pids = await treeOf(root);
  const bytes = await mapFew(pids, memoryOf);
  return { pids, bytes: bytes.reduce((sum, each) => sum + each, 0) };
}

/** The tasks of the tree below `root`, root first. */
export async function treeOf(root: number): Promise<readonly number[]> {
  const found: number[] = [];
  for (let level = [root]; level.length > 0; ) {
    const living = await mapFew(level, childrenOf);
    found.push(...level.filter((_, i) => living[i] !== undefined));
    level = living.flatMap((children) => children ?? []);
  }
  return found;
}

/** `undefined`: there is no such process. A child is listed under the thread that forked it. */
async function childrenOf(pid: number): Promise<readonly number[] | undefined> {
  const tids = await readdir(`/proc/${pid}/task`).catch(() => undefined);
  if (tids === undefined) return undefined;
  const lists = await mapFew(tids, (tid) => readFile(`/proc/${pid}/task/${tid}/children`, 'utf8').catch(() => ''));
  return lists.flatMap((list) => list.split(' ').filter(Boolean).map(Number));
}

async function memoryOf(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8').catch(() => '');
  return DUMPED.reduce((sum, name) => sum + field(text, name), 0) * KIB;
}

function field(text: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1] ?? 0);
}

/** What can be had without swapping, by the kernel's own estimate (MemAvailable), and within the limit of our own cgroup. */
export async function availableMemory(): Promise<number> {
  const machine = field(await readFile('/proc/meminfo', 'utf8'), 'MemAvailable') * KIB;
  // In a container the machine's figure is not what counts: who takes more than the limit is killed, with what else is in there.
  const limit = process.constrainedMemory();
  return limit > 0 && limit < totalmem() ? Math.min(machine, process.availableMemory()) : machine;
}
