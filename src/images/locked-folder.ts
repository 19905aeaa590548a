// A folder with a name that is removed by the next process when its own has been killed: locked for as long as its process lives, or
// somebody to whom that has passed the lock.

import { constants, type Stats } from 'node:fs';
import { chmod, lstat, mkdtemp, open, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Fd } from '../addon/fd.js';
import { tryLock } from '../addon/files.js';
import { CheckpointError } from '../errors/checkpoint-error.js';

export interface LockedFolder extends Disposable {
  /** The folder, and its lock. */
  readonly fd: Fd;
  readonly path: string;
  /** Removes it. Does not reject. */
  remove(): Promise<void>;
  /** Makes it read-only, by which others see that it is to stay. */
  keep(): Promise<void>;
}

// Between the making of a folder and its lock; a process that is stopped for longer there makes its folder again.
const YOUNG_MS = 60_000;

const KEPT_MODE = 0o500;

/**
 * A new folder in `root` whose name begins with `prefix`, after removing those of processes that have ended; `purpose` comes behind it.
 * Rejects with IO or an errno.
 */
export async function openLockedFolder(root: string, prefix: string, purpose?: string): Promise<LockedFolder> {
  await removeLeftovers(root, prefix);
  const path = await mkdtemp(join(root, purpose === undefined ? prefix : `${prefix}${purpose}-`));
  const remove = (): Promise<void> => rm(path, { recursive: true, force: true }).catch(() => {});
  try {
    const fd = await openLocked(path);
    if (fd === undefined)
      throw new CheckpointError('IO', `Cannot use "${path}": somebody else has locked it`, { path });
    return { fd, path, remove, keep: () => chmod(path, KEPT_MODE), [Symbol.dispose]: () => fd.close() };
  } catch (error) {
    await remove();
    throw error;
  }
}

async function removeLeftovers(root: string, prefix: string): Promise<void> {
  const names = (await readdir(root)).filter((name) => name.startsWith(prefix));
  await Promise.all(names.map((name) => removeIfLeft(join(root, name)).catch(() => {})));
}

// Everybody may write there: only our own user's folders, and no links.
async function removeIfLeft(path: string): Promise<void> {
  const status = await lstat(path);
  if (!isOldAndOurs(status) || (status.mode & constants.S_IRWXU) === KEPT_MODE) return;
  using fd = await openLocked(path);
  if (fd !== undefined) await rm(path, { recursive: true, force: true });
}

function isOldAndOurs(status: Stats): boolean {
  return status.isDirectory() && status.uid === process.geteuid?.() && Date.now() - status.mtimeMs > YOUNG_MS;
}

/** `undefined` when another process has it. */
async function openLocked(path: string): Promise<Fd | undefined> {
  const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  try {
    const fd = Fd.duplicate(handle.fd);
    if (tryLock(fd)) return fd;
    fd.close();
    return undefined;
  } finally {
    await handle.close();
  }
}
