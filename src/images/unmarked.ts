// Checkpoints of which a task has not one page marked as lazy though it might have. CRIU (4.1, 4.2) leaves out the marks of all pages of a task when one of
// its threads has a stack pointer that is a multiple of the page size: it means to leave out the page of the stack alone, and compares the lower
// bits of the address instead of the upper ones (is_stack() in criu/mem.c). That is one thread in 256. As no page is lazy then, CRIU would restore
// all of them before the tree runs.

import { type LazyRanges, unmarkedPagemaps } from '../addon/images.js';
import type { Fd } from '../addon/native-core.js';
import { listPagemaps } from './pagemaps.js';

/** What may come lazily of such tasks; nothing for the others. Throws IMAGES_CORRUPT, IO or ABORTED. */
export async function unmarkedRanges(
  imagesDir: string,
  directory: Fd,
  signal: AbortSignal,
): Promise<readonly LazyRanges[]> {
  const names = (await listPagemaps(imagesDir)).flatMap(({ name, kind }) => (kind === 'task' ? [name] : []));
  const unmarked = await unmarkedPagemaps(directory, names, { signal }).done;
  if (unmarked.length === 0) return [];
  // One checkpoint in many; it brings the schemas of most images along.
  const { lazyRanges } = await import('./lazy-ranges.js');
  return (await lazyRanges(imagesDir)).filter(({ name, ranges }) => unmarked.includes(name) && ranges.length > 0);
}
