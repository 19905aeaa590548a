// Reading /proc. A process that ends meanwhile is normal: what is gone reads as undefined or empty.

import { constants } from 'node:fs';
import { readdir, readFile, readlink, stat } from 'node:fs/promises';

export async function textOf(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch(gone);
}

export async function linkOf(path: string): Promise<string | undefined> {
  return readlink(path).catch(gone);
}

export async function namesIn(path: string): Promise<string[]> {
  return (await readdir(path).catch(gone)) ?? [];
}

export interface FileFacts {
  readonly inode: number;
  readonly links: number;
  /** What is allocated: CRIU compares this with the ghost limit. */
  readonly allocatedBytes: number;
  readonly kind: 'file' | 'directory' | 'character' | 'block' | 'fifo' | 'socket' | 'other';
  readonly major: number;
  readonly minor: number;
}

const BLOCK_BYTES = 512;
const KINDS: ReadonlyMap<number, FileFacts['kind']> = new Map([
  [constants.S_IFREG, 'file'],
  [constants.S_IFDIR, 'directory'],
  [constants.S_IFCHR, 'character'],
  [constants.S_IFBLK, 'block'],
  [constants.S_IFIFO, 'fifo'],
  [constants.S_IFSOCK, 'socket'],
]);

/** Facts of what a path of /proc leads to, such as /proc/PID/fd/N, also when its name is deleted. */
export async function factsOf(path: string): Promise<FileFacts | undefined> {
  const found = await stat(path).catch(gone);
  if (found === undefined) return undefined;
  return {
    inode: found.ino,
    links: found.nlink,
    allocatedBytes: found.blocks * BLOCK_BYTES,
    kind: KINDS.get(found.mode & constants.S_IFMT) ?? 'other',
    major: (found.rdev >> 8) & 0xfff,
    minor: (found.rdev & 0xff) | ((found.rdev >> 12) & 0xfff00),
  };
}

// Vanished, or not ours to read: the finding that would follow from it is not made.
function gone(): undefined {
  return undefined;
}
