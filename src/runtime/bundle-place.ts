// Making the folder that a container is restored from.

import { access } from 'node:fs/promises';
import { CheckpointError } from '../errors/checkpoint-error.js';

export async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** For `catch`: the IO error that names the path. */
export function failAt(path: string): (cause: NodeJS.ErrnoException) => never {
  return (cause) => {
    const { code: errno = 'unknown', syscall = 'open' } = cause;
    const message = `Cannot make the bundle: "${path}" fails with ${errno}`;
    throw new CheckpointError('IO', message, { path, errno, syscall }, { cause });
  };
}
