// Pipes, files in memory, locks.

import { attempt } from './failure.js';
import { native } from './load.js';
import type { Fd } from './native-core.js';

/** Both ends are CLOEXEC and owned by the caller. `capacityBytes` is a wish: the kernel may keep 64 KiB. */
export function pipe(options: { readonly capacityBytes?: number } = {}): { readonly read: Fd; readonly write: Fd } {
  return attempt('make a pipe', () => native().pipe(options));
}

/** An anonymous file in memory; `name` (at most 249 bytes) is what /proc shows. */
export function memfd(name: string): Fd {
  return attempt(`make the memory file "${name}"`, () => native().memfd(name));
}

/**
 * Locks the open file exclusively; false when another open file has the lock. It ends with the fd and all its duplicates, so also
 * with the process. IO (EBADF, ENOLCK) where the file system cannot.
 */
export function tryLock(fd: Fd): boolean {
  return attempt('lock a file', () => native().tryLock(fd));
}

/** Gives a file without a name (O_TMPFILE) one. IO, with EEXIST when it is taken. */
export function linkFile(fd: Fd, path: string): void {
  attempt(`name the file "${path}"`, () => native().linkFile(fd, path));
}

/** Renames a file, never over one that is there: IO with EEXIST; EINVAL where the file system cannot do that in one step (NFS, 9p). */
export function renameNew(from: string, to: string): void {
  attempt(`rename "${from}"`, () => native().renameNew(from, to));
}
