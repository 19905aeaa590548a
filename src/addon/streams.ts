// Bytes between fds, moved on threads of their own (native/stream). A filter reads one pipe and writes another.

import { type Job, type JobOptions, runJob } from './job.js';
import { native } from './load.js';
import type { Fd } from './native-core.js';
import type { CopiedBytes, NativeCopy, NativeFilter, NativePack, StreamCounters } from './native-images.js';

export type { CopiedBytes, StreamCounters } from './native-images.js';
export type CopyRequest = NativeCopy;
export type FilterRequest = NativeFilter;
export type PackRequest = NativePack;

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

/** Into a file at its position, a pipe or a socket. */
export function writeBytes(to: Fd, bytes: Uint8Array, options: JobOptions = {}): Job<void> {
  return runJob('write into a stream', options, () => native().writeBytes(to, bytes));
}

/** Compresses the stream of a whole archive into frames. IO with ELIBACC without the library of the codec. */
export function packStream(request: PackRequest, options: JobOptions = {}): Job<StreamCounters, StreamCounters> {
  return runJob('compress the archive', options, () => native().packStream(request));
}
