// Becoming another program.

import { attempt } from './failure.js';
import { native } from './load.js';
import type { NativeExecOptions } from './native-core.js';

export type ExecOptions = NativeExecOptions;

/**
 * Becomes the program: same pid, same parent, its exit status is ours; no signal is ignored or blocked, as when Node started. Only a
 * failure returns, by throwing IO with the errno of execve (ENOENT, EACCES, ENOEXEC), and this process goes on as it was. On success
 * nothing of this process ends in good order: buffers must be written out before.
 */
export function exec(options: ExecOptions): never {
  return attempt(`start "${options.file}"`, () => native().exec(options));
}
