// The images directory that a dump builds upon.

import { realpath } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Fd } from '../addon/fd.js';
import { CheckpointError } from '../errors/checkpoint-error.js';
import { holdsCheckpoint, openDirectory } from './staging.js';

/**
 * Opens `parent`, relative to `imagesDir`, which is a real path. Throws IMAGES_CORRUPT when it holds no checkpoint, or when
 * the dump would replace the directory itself or one that its parents stand on.
 */
export async function openParent(imagesDir: string, parent: string): Promise<Fd> {
  const path = resolve(imagesDir, parent);
  if (!(await holdsCheckpoint(path))) {
    const message = `Cannot use parent "${parent}": "${path}" holds no checkpoint. Name it relative to the images directory "${imagesDir}"`;
    throw new CheckpointError('IMAGES_CORRUPT', message, { path, imagesDir });
  }
  const levels = await chainOf(path);
  if (!levels.has(imagesDir)) return openDirectory(path);
  const message = `Cannot use parent "${parent}": it stands on "${imagesDir}", which this dump would replace. Choose another images directory`;
  throw new CheckpointError('IMAGES_CORRUPT', message, { path, imagesDir });
}

// Down to the last, or to a level that was seen; a chain that is broken or a ring is for the page sink to refuse.
async function chainOf(path: string): Promise<ReadonlySet<string>> {
  const seen = new Set<string>();
  for (let next: string | undefined = path; next !== undefined; next = join(next, 'parent')) {
    const real: string | undefined = await realpath(next).catch(() => undefined);
    if (real === undefined || seen.has(real)) break;
    seen.add(real);
    next = real;
  }
  return seen;
}
