// Where an images directory is put together. Two places, because the two kinds of files have different needs:
//
//   small images   a tmpfs without a name (or a folder below /dev/shm where that is not permitted): CRIU writes some KiB per task
//                  while the tree is frozen, and a disk must not make it wait
//   pages          a folder beside their final place, on the same file system, so that rename() puts them there
//
// Nothing in the images directory itself changes before commit(), which gathers everything in that folder, where it may fail, and
// then only renames: see swap.ts. The images directory is locked (flock) meanwhile. So what else looks like such a folder in it is
// what a killed process has left, and is removed.

import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { access, chmod, copyFile, mkdir, open, readdir, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { Fd } from '../addon/fd.js';
import { tryLock } from '../addon/files.js';
import { CheckpointError, failIo } from '../errors/checkpoint-error.js';
import { Held } from './held.js';
import { openSmall, type Small } from './small-images.js';
import { INVENTORY, type SwapOptions, swapIn } from './swap.js';

const PREFIX = '.frazil-';

export interface Staging extends AsyncDisposable {
  /** For `images_dir_fd`: where CRIU writes the small images. */
  readonly images: Fd;
  /** For the page sink. */
  readonly pages: Fd;
  /**
   * Replaces the checkpoint in the images directory by what was staged. `parent` is the link that CRIU follows, relative to the
   * images directory. Rejects with IO; the directory then is as it was.
   */
  commit(parent?: string, options?: SwapOptions): Promise<void>;
}

/**
 * Opens both places for `imagesDir`, which exists. Disposing without commit() leaves the directory as it was. Throws IO, with EAGAIN
 * when somebody else is dumping into the directory.
 */
export async function openStaging(imagesDir: string): Promise<Staging> {
  await using opened = new Held();
  const lock = opened.use(await openDirectory(imagesDir));
  if (lockDirectory(lock, imagesDir)) await removeLeftovers(imagesDir);
  const small = opened.use(await openSmall());
  opened.defer(() => small.remove());
  const path = join(imagesDir, `${PREFIX}${randomBytes(6).toString('hex')}`);
  await mkdir(path, { mode: 0o700 }).catch(failIo(`Cannot write into the images directory "${imagesDir}"`, path));
  // What cannot be removed has a name that no reader takes for a checkpoint.
  opened.defer(() => rm(path, { recursive: true, force: true }).catch(() => {}));
  const pages = opened.use(await openDirectory(path, 'itself'));
  const held = opened.move();
  return {
    images: small.fd,
    pages,
    commit: async (parent, options) => {
      if (held.disposed) throw new RangeError('Cannot commit: the staging is disposed');
      await gather(small, path, parent).catch(failIo(`Cannot gather the images for "${imagesDir}"`, path));
      await swapIn(imagesDir, path, options);
    },
    [Symbol.asyncDispose]: () => held[Symbol.asyncDispose](),
  };
}

/** A handle on a directory, for requests and sinks; with `itself` not on what a link leads to. Throws IO. */
export async function openDirectory(path: string, which: 'itself' | 'followed' = 'followed'): Promise<Fd> {
  const noFollow = which === 'itself' ? constants.O_NOFOLLOW : 0;
  const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY | noFollow).catch(
    failIo(`Cannot open the directory "${path}"`, path),
  );
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

// False where the file system cannot lock: then nobody knows whose folders those are, and they stay.
function lockDirectory(directory: Fd, path: string): boolean {
  let free: boolean;
  try {
    free = tryLock(directory);
  } catch (error) {
    if (!CheckpointError.is(error, 'IO')) throw error;
    return false;
  }
  if (free) return true;
  const message = `Cannot write into the images directory "${path}": another dump into it is under way`;
  throw new CheckpointError('IO', message, { path, syscall: 'flock', errno: 'EAGAIN' });
}

async function removeLeftovers(imagesDir: string): Promise<void> {
  const names = (await readdir(imagesDir)).filter((name) => name.startsWith(PREFIX));
  // One that stays is in nobody's way.
  await Promise.all(names.map((name) => rm(join(imagesDir, name), { recursive: true, force: true }).catch(() => {})));
}

// Across file systems, into new files: a link that somebody put there is not followed. CRIU's own link to the parent is absolute.
async function gather(small: Small, to: string, parent: string | undefined): Promise<void> {
  const names = (await readdir(small.path)).filter((name) => name !== 'parent');
  await Promise.all(
    names.map(async (name) => {
      await copyFile(join(small.path, name), join(to, name), constants.COPYFILE_EXCL);
      // CRIU makes them 0644; they hold what the tasks hold.
      await chmod(join(to, name), 0o600);
    }),
  );
  if (parent !== undefined) await symlink(parent, join(to, 'parent'));
}
