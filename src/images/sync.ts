// Asking the disk: what was written is there after a crash of the machine, and not only of a program. Without it a checkpoint is whole for
// every reader while the machine runs, and what a power failure leaves is the file system's choice.

import { constants } from 'node:fs';
import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { mapFew } from '../pages/few.js';

/** The bytes of every file in the folder, and then its names. Links have no bytes. Rejects with the error of the system. */
export async function syncFolder(path: string): Promise<void> {
  const entries = await readdir(path, { withFileTypes: true });
  await mapFew(
    entries.filter((entry) => entry.isFile()),
    ({ name }) => sync(join(path, name), constants.O_NOFOLLOW),
  );
  await syncNames(path);
}

/** The names in the folder: what was made, renamed and removed there. */
export async function syncNames(path: string): Promise<void> {
  await sync(path, constants.O_DIRECTORY);
}

async function sync(path: string, flag: number): Promise<void> {
  const handle = await open(path, constants.O_RDONLY | flag);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
