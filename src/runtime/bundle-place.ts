// Making the folder that a container is restored from.

import { access } from 'node:fs/promises';
import { failIo } from '../errors/checkpoint-error.js';

export async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** For `catch()`: throws the IO error that names the path. */
export function failAt(path: string): (cause: NodeJS.ErrnoException) => never {
  return failIo(`Cannot make the bundle: "${path}" fails`, path);
}
