// A look at a checkpoint before CRIU gets it. CRIU trusts its images: on a pages file that is cut short it reads the end for ever, on
// a missing pstree.img it crashes. So what can be told cheaply, without reading pages, is told here.

import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Fd } from '../addon/fd.js';
import { verifyPages } from '../addon/verify.js';
import { CheckpointError } from '../errors/checkpoint-error.js';
import { readPstree, type TreeEntry } from './pstree.js';

// CRIU crashes without these; it says clearly what else is missing.
const NEEDED = ['files.img', 'pstree.img'];
const PAGEMAP = /^pagemap-(shmem-)?\d+\.img$/;

/** The tasks of the checkpoint. Throws IMAGES_CORRUPT naming the image that is missing, damaged or too short, ABORTED, or IO. Parents are not looked into. */
export async function verifyImages(
  imagesDir: string,
  directory: Fd,
  signal: AbortSignal,
): Promise<readonly TreeEntry[]> {
  const names = await readdir(imagesDir);
  const tasks = NEEDED.every((name) => names.includes(name)) ? await readPstree(imagesDir) : [];
  const cores = tasks.map(({ pid }) => `core-${pid}.img`);
  const missing = [...NEEDED, ...cores].find((name) => !names.includes(name));
  if (missing !== undefined) throw corrupt(imagesDir, missing, 'it is missing');
  const bad = await verifyPages(
    directory,
    names.filter((name) => PAGEMAP.test(name)),
    { signal },
  ).done;
  if (bad === undefined) return tasks;
  if (bad.newer === true) throw newer(imagesDir, bad.name);
  const { name, expectedBytes, actualBytes } = bad;
  const why = expectedBytes === undefined ? 'it is damaged' : `it holds ${actualBytes} of ${expectedBytes} bytes`;
  throw corrupt(imagesDir, name, why);
}

// What is newer may be read by a newer CRIU; by the one that we would call now it may be misread.
function newer(imagesDir: string, name: string): CheckpointError<'IMAGES_CORRUPT'> {
  const why = 'it has fields of a CRIU that is newer than this Frazil knows, such as those of compressed pages';
  const message = `Cannot restore "${imagesDir}": ${name}: ${why}. Restore with a newer Frazil, or with that CRIU itself`;
  return new CheckpointError('IMAGES_CORRUPT', message, { imagesDir, path: join(imagesDir, name) });
}

function corrupt(imagesDir: string, name: string, why: string): CheckpointError<'IMAGES_CORRUPT'> {
  const message = `Cannot restore "${imagesDir}": ${name}: ${why}. Restore from another copy of this checkpoint`;
  return new CheckpointError('IMAGES_CORRUPT', message, { imagesDir, path: join(imagesDir, name) });
}
