// The two directories as CRIU's command line sees them: both from the current directory, the work directory defaults to the images.

import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { CheckpointError } from '../../errors/checkpoint-error.js';

export interface Directories {
  readonly imagesDir: string;
  readonly workDir: string;
}

/** Throws IO when one does not exist: CRIU makes none, and a script may rely on that. */
export async function directories(imagesDir = '.', workDir: string = imagesDir): Promise<Directories> {
  await assertDirectory(imagesDir, 'images directory');
  await assertDirectory(workDir, 'work directory');
  return { imagesDir: resolve(imagesDir), workDir: resolve(workDir) };
}

async function assertDirectory(path: string, what: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory() === true) return;
  const errno = found === undefined ? 'ENOENT' : 'ENOTDIR';
  throw new CheckpointError('IO', `Cannot open the ${what} "${path}": ${errno}. Create it`, { path, errno });
}
