// Folders for a test, on a disk or in memory, gone when the test ends: `await using dir = tempDir('disk')`.

import { mkdirSync, mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';

const ROOTS = { disk: '/tmp', tmpfs: '/dev/shm' } as const;

export interface TempDir extends AsyncDisposable {
  readonly path: string;
  /** Makes the folder `name` in it and gives back its path. */
  folder(name: string): string;
}

/** A new folder with a short path: names of unix sockets have 107 bytes. */
export function tempDir(where: keyof typeof ROOTS = 'disk'): TempDir {
  const path = mkdtempSync(join(ROOTS[where], 'fz-'));
  return {
    path,
    folder(name) {
      mkdirSync(join(path, name), { recursive: true });
      return join(path, name);
    },
    // Again when it fills while it is emptied: a Podman cleans up behind a container for a moment after it has said that it is gone.
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 }),
  };
}

/** Gives `use` a folder that is gone afterwards. */
export async function withTempDir<T>(where: keyof typeof ROOTS, use: (dir: TempDir) => Promise<T>): Promise<T> {
  await using dir = tempDir(where);
  return await use(dir);
}
