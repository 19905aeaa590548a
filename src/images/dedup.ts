// What `criu dedup` does: pages that the newest level has itself are freed in all its ancestors, which keep their sizes and become
// sparse. An ancestor cannot be restored by itself afterwards, and nothing says so: its pagemap still promises the pages.

import { dedupChain } from '../addon/images.js';
import { assertNotAborted } from '../errors/aborted.js';
import { imageError, listPagemaps } from './pagemaps.js';
import { openDirectory } from './staging.js';

export interface DedupReport {
  readonly imagesDir: string;
  /** Levels, the images directory included. */
  readonly depth: number;
  readonly deduplicatedPages: number;
}

/**
 * Verifies the chain of `imagesDir`, then frees. Throws IMAGES_CORRUPT with nothing freed; IO and ABORTED with some pages freed: what is
 * left is whole, and doing it again frees the rest.
 */
export async function dedup(
  imagesDir: string,
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<DedupReport> {
  assertNotAborted(`punch the parents of "${imagesDir}"`, signal);
  const names = await listPagemaps(imagesDir);
  using directory = await openDirectory(imagesDir);
  const job = dedupChain(
    directory,
    names.map(({ name }) => name),
    { signal },
  );
  const { fault, depth, deduplicatedPages } = await job.done;
  if (fault !== undefined) throw imageError('deduplicate', imagesDir, fault);
  return { imagesDir, depth, deduplicatedPages };
}
