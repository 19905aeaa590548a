// Pipes and files in memory.

import { attempt } from './failure.js';
import { native } from './load.js';
import type { Fd } from './native.js';

/** Both ends are CLOEXEC and owned by the caller. `capacityBytes` is a wish: the kernel may keep 64 KiB. */
export function pipe(options: { readonly capacityBytes?: number } = {}): { readonly read: Fd; readonly write: Fd } {
  return attempt('make a pipe', () => native().pipe(options));
}

/** An anonymous file in memory; `name` (at most 249 bytes) is what /proc shows. */
export function memfd(name: string): Fd {
  return attempt(`make the memory file "${name}"`, () => native().memfd(name));
}
