// Where CRIU writes its small images: memory without a name, which is gone with this process however it ends. Without CAP_SYS_ADMIN
// a folder below /dev/shm; one that a killed process has left there is removed by the next.

import { privateTmpfs } from '../addon/page-sink.js';
import { CheckpointError } from '../errors/checkpoint-error.js';
import { type LockedFolder, openLockedFolder } from './locked-folder.js';

/** What remove() removes is there only if it has a name. */
export type Small = Omit<LockedFolder, 'keep'>;

const PREFIX = 'frazil-';

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

/** In a folder of its own in `root`. Exported for its test. */
export function openNamed(root: string): Promise<Small> {
  return openLockedFolder(root, PREFIX);
}
