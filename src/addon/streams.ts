// Bytes between fds, moved on threads of their own (native/stream). A filter reads one pipe and writes another.

import { type Job, type JobOptions, runJob } from './job.js';
import { native } from './load.js';
import type { CopiedBytes, Fd, NativeCopy, NativeFilter, StreamCounters } from './native.js';

export type { CopiedBytes, StreamCounters } from './native.js';
export type CopyRequest = NativeCopy;
export type FilterRequest = NativeFilter;

/** `what` completes "Cannot ...": "copy pages-1.img". The fds stay the caller's. Rejects with IO or ABORTED. */
export function copyBytes(
  what: string,
  request: CopyRequest,
  options: JobOptions = {},
): Job<CopiedBytes, StreamCounters> {
  return runJob(what, options, () => native().copyBytes(request));
}

/** Of a pipe, a socket or a file at its own position: at most 64 MiB, fewer than asked for only at the end. */
export function readBytes(from: Fd, bytes: number, options: JobOptions = {}): Job<Uint8Array> {
  return runJob('read from a stream', options, () => native().readBytes(from, bytes));
}

/** Runs to the end of `from`. IO with EBADMSG when that is damaged, ENODATA when it is cut short, EPIPE when nobody wants more. */
export function filterStream(
  what: string,
  request: FilterRequest,
  options: JobOptions = {},
): Job<StreamCounters, StreamCounters> {
  return runJob(what, options, () => native().filterStream(request));
}
