// Processes by pidfd: our own children beside Node's, and processes that are not our children at all.

import { attempt } from './failure.js';
import { type Job, type JobOptions, runJob } from './job.js';
import { native } from './load.js';
import type { ExitStatus, Fd, NativeChild, NativeChildWatch, NativeSpawnOptions } from './native-core.js';

export type { ExitStatus } from './native-core.js';
export type SpawnOptions = NativeSpawnOptions;
export type Child = NativeChild;

/**
 * Starts a child with exactly the fds listed, default signal dispositions and no blocked signal. Returns when it has
 * exec'ed. IO with the errno of exec (ENOENT, EACCES), of chdir, or EBADF for an fd. The child stays a zombie until
 * `waitChild`.
 */
export function spawn(options: SpawnOptions): Child {
  return attempt(`start "${options.file}"`, () => native().spawn(options));
}

/**
 * Waits for a child of this process (started by `spawn`, or born as one by CLONE_PARENT) and reaps it. Node's own children
 * are not touched. IO with ECHILD when it is not ours. An aborted wait leaves it to be waited for again.
 */
export function waitChild(pidfd: Fd, options: JobOptions = {}): Job<ExitStatus> {
  return runJob('wait for a child', options, () => native().waitChild(pidfd));
}

/** `waitChild` for a child that also talks to us: one thread for its whole life, and none of libuv's. */
export interface ChildWatch extends Job<ExitStatus> {
  /** Asks for one call of `onReadable`, as soon as the socket has a message or an end to tell. Not after the child's end. */
  arm(socket: Fd): void;
}

/** The socket is lent at each `arm`, and may be closed at any time: then nothing more is told. */
export function watchChild(pidfd: Fd, onReadable: () => void): ChildWatch {
  let watch: NativeChildWatch | undefined;
  const job = runJob('wait for a child', {}, () => {
    watch = native().watchChild(pidfd, onReadable);
    return watch;
  });
  return { ...job, arm: (socket) => attempt('wait for a message', () => watch?.arm(socket)) };
}

/** Waits for the end of any process; how it ended is its parent's to know. */
export function waitExit(pidfd: Fd, options: JobOptions = {}): Job<void> {
  return runJob('wait for a process', options, () => native().waitExit(pidfd));
}

/** A handle on a process that its pid's reuse cannot fool. IO with ESRCH when there is none. */
export function pidfdOpen(pid: number): Fd {
  return attempt(`open process ${pid}`, () => native().pidfdOpen(pid));
}

/** IO with ESRCH when it has ended and been reaped; 0 only asks. */
export function sendSignal(pidfd: Fd, signal: number): void {
  attempt('send a signal', () => native().sendSignal(pidfd, signal));
}

/** For the whole process: orphans below us become our children, and then somebody must `waitChild` them. */
export function setChildSubreaper(on: boolean): void {
  attempt('become the reaper of orphans', () => native().setChildSubreaper(on));
}
