// Files below a folder that somebody else may change meanwhile (native/sys/openat2.h): no link is followed, nothing leads out of it.

import { attempt } from './failure.js';
import { native } from './load.js';
import type { Fd } from './native-core.js';

/**
 * Opens `path` below the folder `root`. 'create' makes a new file of mode 0600 (EEXIST when there is something); 'read' does not wait for
 * the other end of a pipe. IO: ELOOP when a part of the path is a link, EXDEV when it leads out.
 */
export function openBeneath(root: Fd, path: string, how: 'read' | 'create' | 'folder'): Fd {
  return attempt(`open "${path}"`, () => native().openBeneath(root, path, how));
}

/** A new folder of mode 0700. IO (EEXIST) when there is something. */
export function mkdirBeneath(root: Fd, path: string): void {
  attempt(`make the folder "${path}"`, () => native().mkdirBeneath(root, path));
}

/** A new symbolic link; where it leads to is not looked at. */
export function symlinkBeneath(root: Fd, path: string, target: string): void {
  attempt(`make the link "${path}"`, () => native().symlinkBeneath(root, path, target));
}
