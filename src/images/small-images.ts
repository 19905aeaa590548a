// Where CRIU writes its small images: memory without a name, which is gone with this process however it ends. Without CAP_SYS_ADMIN
// a folder below /dev/shm; one that a killed process has left there is removed by the next.

import { constants, type Stats } from 'node:fs';
import { lstat, mkdtemp, open, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Fd } from '../addon/fd.js';
import { tryLock } from '../addon/files.js';
import { privateTmpfs } from '../addon/page-sink.js';
import { CheckpointError } from '../errors/checkpoint-error.js';

export interface Small extends Disposable {
  readonly fd: Fd;
  readonly path: string;
  /** Removes it, if it has a name. Does not reject. */
  remove(): Promise<void>;
}

/** Throws IO. */
export async function openSmall(): Promise<Small> {
  try {
    const fd = privateTmpfs();
    const path = `/proc/self/fd/${fd.number}`;
    return { fd, path, remove: async () => {}, [Symbol.dispose]: () => fd.close() };
  } catch (error) {
    if (!CheckpointError.is(error, 'IO')) throw error;
    return openNamed('/dev/shm');
  }
}

const PREFIX = 'frazil-';
// Between the making of a folder and its lock; a process that is stopped for longer there makes its folder again.
const YOUNG_MS = 60_000;

/** In a folder of its own in `root`, after removing those of processes that have ended. Exported for its test. */
export async function openNamed(root: string): Promise<Small> {
  await removeLeftovers(root);
  const path = await mkdtemp(join(root, PREFIX));
  const remove = (): Promise<void> => rm(path, { recursive: true, force: true }).catch(() => {});
  try {
    const fd = await openLocked(path);
    if (fd === undefined)
      throw new CheckpointError('IO', `Cannot use "${path}": somebody else has locked it`, { path });
    return { fd, path, remove, [Symbol.dispose]: () => fd.close() };
  } catch (error) {
    await remove();
    throw error;
  }
}

async function removeLeftovers(root: string): Promise<void> {
  const names = (await readdir(root)).filter((name) => name.startsWith(PREFIX));
  await Promise.all(names.map((name) => removeIfLeft(join(root, name)).catch(() => {})));
}

// Everybody may write there: only our own user's folders, and no links.
async function removeIfLeft(path: string): Promise<void> {
  if (!isOldAndOurs(await lstat(path))) return;
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
