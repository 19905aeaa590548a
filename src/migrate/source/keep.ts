// Images that lie in memory, into files: what is left of a tree whose copy was lost.

import { constants } from 'node:fs';
import { chmod, copyFile, mkdir, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Fd } from '../../addon/fd.js';
import { CheckpointError, failIo } from '../../errors/checkpoint-error.js';
import { openDirectory } from '../../images/staging.js';

const INVENTORY = 'inventory.img';
// Of the dump, and of no use to a restore: it would lead out of the folder.
const PARENT = 'parent';

/** Makes the folder ready while nothing depends on it. Rejects with IO when it cannot be had, or is not empty. */
export async function prepareFolder(to: string): Promise<void> {
  const what = `Cannot use "${to}" for what may be left of the tree`;
  await mkdir(to, { recursive: true, mode: 0o700 }).catch(failIo(what, to));
  if ((await readdir(to).catch(failIo(what, to))).length === 0) return;
  const detail = { path: to, syscall: 'readdir', errno: 'ENOTEMPTY' };
  throw new CheckpointError('IO', `${what}: it is not empty. Name another one`, detail);
}

/** Copies them durably; the inventory, which makes them a checkpoint, last. Rejects with IO. */
export async function keepImages(images: Fd, to: string): Promise<void> {
  const from = `/proc/self/fd/${images.number}`;
  const fail = failIo(`Cannot keep the images of the tree in "${to}"`, to);
  const names = (await readdir(from).catch(fail)).filter((name) => name !== PARENT);
  const last = names.filter((name) => name === INVENTORY);
  for (const name of [...names.filter((one) => one !== INVENTORY), ...last])
    await keepFile(join(from, name), join(to, name)).catch(fail);
  using folder = await openDirectory(to);
  await sync(`/proc/self/fd/${folder.number}`).catch(fail);
}

async function keepFile(from: string, to: string): Promise<void> {
  await copyFile(from, to, constants.COPYFILE_EXCL);
  await chmod(to, 0o600);
  await sync(to);
}

async function sync(path: string): Promise<void> {
  const file = await open(path, constants.O_RDONLY);
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
