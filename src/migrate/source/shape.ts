// How long CRIU will look for what a tree has mapped: it reads the list of areas of every task, for which the kernel walks all of
// their pages. proc(5), /proc/PID/smaps; criu/proc_parse.c, parse_smaps().

import { readFile } from 'node:fs/promises';
import { treeOf } from '../../pages/estimate.js';

export interface Shape {
  readonly tasks: number;
  /** To read all lists, one after the other, as CRIU does it. */
  readonly areasMs: number;
}

// One that waited for a processor says nothing of the tree.
const LOOKS = 2;

export async function measureShape(root: number): Promise<Shape> {
  const pids = await treeOf(root);
  let areasMs = Number.POSITIVE_INFINITY;
  for (let look = 0; look < LOOKS; look += 1) {
    const from = performance.now();
    // One that has ended has none.
    for (const pid of pids) await readFile(`/proc/${pid}/smaps`).catch(() => {});
    areasMs = Math.min(areasMs, performance.now() - from);
  }
  return { tasks: pids.length, areasMs };
}
