// Where an images directory is put together. Two places, because the two kinds of files have different needs:
//
//   small images   a tmpfs without a name (or a folder below /dev/shm where that is not permitted): CRIU writes some KiB per task
//                  while the tree is frozen, and a disk must not make it wait
//   pages          a folder beside their final place, on the same file system, so that rename() puts them there
//
// Nothing in the images directory itself changes before commit(). inventory.img is what CRIU opens first, so a directory without it
// is no checkpoint: it is removed first and moved in last.

import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { access, chmod, copyFile, mkdir, mkdtemp, open, readdir, rename, rm, symlink, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { Fd } from '../addon/fd.js';
import { privateTmpfs } from '../addon/page-sink.js';
import { CheckpointError } from '../errors/checkpoint-error.js';

const INVENTORY = 'inventory.img';
const PREFIX = '.frazil-';
// Files of a checkpoint: everything else in the directory (logs, descriptors.json, work files) is not ours to remove.
const IMAGE = /\.img$|\.tar\.gz$/;

export interface Staging extends AsyncDisposable {
  /** For `images_dir_fd`: where CRIU writes the small images. */
  readonly images: Fd;
  /** For the page sink. */
  readonly pages: Fd;
  /**
   * Replaces the checkpoint in the images directory by what was staged. `parent` is the link that CRIU follows, relative to the
   * images directory. After it, nothing can fail any more that would leave half of a checkpoint.
   */
  commit(parent?: string): Promise<void>;
}

/** Opens both places for `imagesDir`, which exists. Disposing without commit() leaves the directory as it was. */
export async function openStaging(imagesDir: string): Promise<Staging> {
  const small = await openSmall();
  const pagesPath = join(imagesDir, `${PREFIX}${randomBytes(6).toString('hex')}`);
  await mkdir(pagesPath, { mode: 0o700 });
  const pages = await openDirectory(pagesPath);
  return {
    images: small.fd,
    pages,
    commit: async (parent) => {
      await clearCheckpoint(imagesDir);
      await moveAll(pagesPath, imagesDir, rename);
      if (parent !== undefined) await symlink(parent, join(imagesDir, 'parent'));
      await moveAll(small.path, imagesDir, copyIn);
      await copyIn(join(small.path, INVENTORY), join(imagesDir, INVENTORY));
    },
    async [Symbol.asyncDispose]() {
      pages.close();
      small.fd.close();
      // What cannot be removed has a name that no reader takes for a checkpoint.
      await rm(pagesPath, { recursive: true, force: true }).catch(() => {});
      if (small.named) await rm(small.path, { recursive: true, force: true }).catch(() => {});
    },
  };
}

interface Small {
  readonly fd: Fd;
  readonly path: string;
  /** It has a name in a file system, which must be removed. */
  readonly named: boolean;
}

async function openSmall(): Promise<Small> {
  try {
    const fd = privateTmpfs();
    return { fd, path: `/proc/self/fd/${fd.number}`, named: false };
  } catch (error) {
    if (!CheckpointError.is(error, 'IO')) throw error;
    const path = await mkdtemp('/dev/shm/frazil-');
    return { fd: await openDirectory(path), path, named: true };
  }
}

/** A handle on a directory, for requests and sinks. Throws IO. */
export async function openDirectory(path: string): Promise<Fd> {
  const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY).catch((cause: unknown) => {
    throw new CheckpointError('IO', `Cannot open the directory "${path}"`, { path }, { cause });
  });
  try {
    return Fd.duplicate(handle.fd);
  } finally {
    await handle.close();
  }
}

/** Whether `imagesDir` holds a whole checkpoint. */
export async function holdsCheckpoint(imagesDir: string): Promise<boolean> {
  return access(join(imagesDir, INVENTORY)).then(
    () => true,
    () => false,
  );
}

// The images of another tree would be read as part of the new one (facts: CRIU never cleans a directory).
async function clearCheckpoint(imagesDir: string): Promise<void> {
  await rm(join(imagesDir, INVENTORY), { force: true });
  const names = await readdir(imagesDir);
  const stale = names.filter((name) => IMAGE.test(name) || name === 'parent');
  await Promise.all(stale.map((name) => unlink(join(imagesDir, name))));
}

async function moveAll(from: string, to: string, move: (from: string, to: string) => Promise<void>): Promise<void> {
  const names = (await readdir(from)).filter((name) => name !== INVENTORY && name !== 'parent');
  await Promise.all(names.map((name) => move(join(from, name), join(to, name))));
}

// Across file systems: under another name first, so that no reader sees half of an image.
async function copyIn(from: string, to: string): Promise<void> {
  const beside = `${to}.incomplete`;
  await copyFile(from, beside);
  // CRIU makes them 0644; they hold what the tasks hold.
  await chmod(beside, 0o600);
  await rename(beside, to);
}
