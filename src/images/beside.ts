// A new images directory, put together beside its final name and renamed when it is whole: under that name there is everything or
// nothing, also after a crash of the machine.

import { randomBytes } from 'node:crypto';
import { lstat, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { CheckpointError, failIo } from '../errors/checkpoint-error.js';

/**
 * `fill` writes into the folder that it is given, mode 0700, and syncs what it writes. When it fails nothing is left. Throws
 * IMAGES_EXIST when `path` is there and not an empty directory, IO.
 */
export async function writeBeside<T>(path: string, fill: (folder: string) => Promise<T>): Promise<T> {
  const final = resolve(path);
  await refuseExisting(final);
  const folder = join(dirname(final), `.frazil-${basename(final)}-${randomBytes(6).toString('hex')}`);
  await mkdir(folder, { mode: 0o700 }).catch(failIo(`Cannot write beside "${final}"`, folder));
  try {
    const report = await fill(folder);
    await sync(folder);
    await rename(folder, final).catch(failIo(`Cannot put the images in place at "${final}"`, final));
    await sync(dirname(final));
    return report;
  } catch (error) {
    await rm(folder, { recursive: true, force: true }).catch(() => {});
    throw error;
  }
}

/** Makes a file or a directory survive a crash. */
export async function sync(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

// rename() replaces an empty directory, and refuses any other: so this is only for the better error.
async function refuseExisting(path: string): Promise<void> {
  const status = await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (status === undefined) return;
  if (status.isDirectory() && (await readdir(path)).length === 0) return;
  const message = `Cannot write "${path}": it exists already. Name a directory that does not`;
  throw new CheckpointError('IMAGES_EXIST', message, { imagesDir: path });
}
