// What cannot be written at the destination: the source is told the file and the remedy.

import { CheckpointError } from '../../errors/checkpoint-error.js';

/** `cause` as a system call has failed, unless `errno` says which. */
export function unwritten(path: string, cause: unknown, errno = codeOf(cause)): CheckpointError<'IO'> {
  const remedy = errno === 'ENOSPC' ? '. Free space there, or receive into another directory' : '';
  const { syscall = 'write' } = cause as NodeJS.ErrnoException;
  return new CheckpointError('IO', `Cannot write "${path}": ${errno}${remedy}`, { path, syscall, errno }, { cause });
}

function codeOf(cause: unknown): string {
  return (cause as NodeJS.ErrnoException).code ?? 'unknown';
}
