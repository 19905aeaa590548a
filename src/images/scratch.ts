// Folders for files of the moment, below $TMPDIR. What a killed process has left there is removed by the next that makes one.

import { tmpdir } from 'node:os';
import { openLockedFolder } from './locked-folder.js';

/** Removed when it is disposed of. */
export interface Scratch extends AsyncDisposable {
  /** 0700. */
  readonly path: string;
  /** It stays, for somebody to read: nobody removes it any more. Rejects with an errno. */
  keep(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

const PREFIX = 'frazil-scratch-';

/** `purpose` is for whoever finds it. Rejects with IO or an errno. */
export async function openScratch(purpose: string): Promise<Scratch> {
  const folder = await openLockedFolder(tmpdir(), PREFIX, purpose);
  let kept = false;
  return {
    path: folder.path,
    async keep() {
      await folder.keep();
      kept = true;
    },
    async [Symbol.asyncDispose]() {
      if (!kept) await folder.remove();
      folder.fd.close();
    },
  };
}
