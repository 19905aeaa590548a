// The tasks of a tree, with the names of their images.

import { readFile } from 'node:fs/promises';
import type { ScanTask } from '../../addon/page-streams.js';
import { treeOf } from '../../pages/estimate.js';
import { mapFew } from '../../pages/few.js';

/** Root first. CRIU names images by the pid in the root's own namespace, the innermost one that the task is in. */
export async function scanTasksOf(root: number): Promise<readonly ScanTask[]> {
  const tasks = await mapFew(await treeOf(root), async (pid) => ({ pid, id: await ownPid(pid) }));
  return tasks.flatMap(({ pid, id }) => (id === undefined ? [] : [{ pid, id }]));
}

// proc(5), NSpid: from the namespace of this /proc to the innermost one.
async function ownPid(pid: number): Promise<number | undefined> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  const numbers = /^NSpid:(.*)$/m.exec(status)?.[1]?.trim().split(/\s+/) ?? [];
  const own = Number(numbers.at(-1));
  return Number.isInteger(own) && own > 0 ? own : undefined;
}
