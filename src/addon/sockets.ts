// Socket pairs and messages: the control plane.

import { CheckpointError } from '../errors/checkpoint-error.js';
import { attempt } from './failure.js';
import { type Job, type JobOptions, runJob } from './job.js';
import { native } from './load.js';
import type { Fd, NativeMessage } from './native-core.js';

export type Message = NativeMessage;

/** AF_UNIX SOCK_SEQPACKET, both ends CLOEXEC and owned by the caller, with room for messages of 1 MiB where allowed. */
export function seqpacketPair(): [Fd, Fd] {
  return attempt('make a socket pair', () => native().seqpacketPair());
}

/** AF_UNIX SOCK_STREAM, both ends CLOEXEC. `bufferBytes` is a wish: the kernel may give less. */
export function streamPair(options: { readonly bufferBytes?: number } = {}): [Fd, Fd] {
  return attempt('make a socket pair', () => native().streamPair(options));
}

/** AF_UNIX SOCK_DGRAM, CLOEXEC, without a name: CRIU keeps pidfds in it from one pre-dump to the next. */
export function datagramSocket(): Fd {
  return attempt('make a socket', () => native().datagramSocket());
}

/**
 * Sends one message, at once or not at all: IO with EAGAIN when the peer has left too many unread, EPIPE when it is gone,
 * EMSGSIZE when it is too long. `fds` (at most 16) travel as duplicates; the caller keeps its own.
 */
export function send(fd: Fd, bytes: Uint8Array, fds: readonly Fd[] = []): void {
  attempt('send a message', () => native().send(fd, bytes, fds));
}

/** Whether that is why `send` failed: its peer is gone. */
export function hasHungUp(error: unknown): boolean {
  return CheckpointError.is(error, 'IO') && HUNG_UP.has(error.detail.errno ?? '');
}

const HUNG_UP = new Set(['EPIPE', 'ECONNRESET', 'ENOTCONN']);

/**
 * Waits for one message; `undefined` when the peer has hung up. An aborted wait leaves the message in the socket. IO with
 * EMSGSIZE for more than 1 MiB or more than 16 fds (none of which stays open).
 */
export function receive(fd: Fd, options: JobOptions = {}): Job<Message | undefined> {
  return runJob('receive a message', options, () => native().receive(fd));
}

/**
 * A message that is there already or comes within `microseconds`, for which this thread stands still: keep it below a millisecond.
 * `undefined` when none has come.
 */
export function receiveSoon(fd: Fd, microseconds: number): Message | 'hung-up' | undefined {
  return attempt('receive a message', () => native().receiveSoon(fd, microseconds));
}
