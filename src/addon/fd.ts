// Fd handles from numbers that exist already.

import { attempt } from './failure.js';
import { native } from './load.js';
import type { Fd as FdHandle } from './native-core.js';

/** An open file descriptor that somebody owns: see `Fd` in native.ts. */
export type Fd = FdHandle;

export const Fd = {
  /** Takes over `number`: nobody else may close it from now on. IO (EBADF) when it is not open. */
  adopt: (number: number): Fd => attempt(`adopt fd ${number}`, () => native().Fd.adopt(number)),
  /** A CLOEXEC duplicate; `number` keeps its owner. For the fd of an fs FileHandle, which closes its own. */
  duplicate: (number: number): Fd => attempt(`duplicate fd ${number}`, () => native().Fd.duplicate(number)),
  /** Whether `value` is a handle, spent or not. */
  is: (value: unknown): value is Fd => native().Fd.is(value),
} as const;
