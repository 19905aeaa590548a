// Listening for messages at a path: for programs that we did not make the socket for.

import { attempt } from './failure.js';
import { type Job, type JobOptions, runJob } from './job.js';
import { native } from './load.js';
import type { Fd, NativePeer } from './native-core.js';

export type Peer = NativePeer;

/**
 * AF_UNIX SOCK_SEQPACKET, bound to `path`. IO with EADDRINUSE when something is there, ENAMETOOLONG from 108 bytes on. Whoever may reach
 * the path may connect: make the directory 0700. Removing the path is the caller's.
 */
export function listenSeqpacket(path: string): Fd {
  return attempt(`listen at "${path}"`, () => native().listenSeqpacket(path));
}

/** Waits for one to connect; its socket is the caller's. An aborted wait leaves it in the queue. */
export function accept(listener: Fd, options: JobOptions = {}): Job<Peer> {
  return runJob('wait for a connection', options, () => native().accept(listener));
}
