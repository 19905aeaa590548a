// A dump of a tree that holds Frazil would freeze Frazil, and CRIU would wait for its answer for ever. CRIU called by hand finds
// itself in the tree and gives up; over RPC its client is frozen by then.

import { readFile } from 'node:fs/promises';
import { CheckpointError } from '../errors/checkpoint-error.js';

/** Throws DUMP_REFUSED when this process is `pid` or one of its descendants. */
export async function assertOutside(pid: number, word: string): Promise<void> {
  for (let ancestor = process.pid; ancestor > 0; ancestor = await parentOf(ancestor)) {
    if (ancestor !== pid) continue;
    const message = `Cannot ${word} process ${pid}: Frazil itself is in that tree. Run it from outside, such as from another login or a service`;
    throw new CheckpointError('DUMP_REFUSED', message, { pid, causes: [], logExcerpt: [] });
  }
}

async function parentOf(pid: number): Promise<number> {
  // A parent that ends while we look leaves us an orphan, which is outside.
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  // The name in parentheses may hold anything; the state and the parent follow the last one.
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1] ?? 0);
}
