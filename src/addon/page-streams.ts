// Both ends of the page streams of a migration (native/transfer).

import { attempt } from './failure.js';
import { type Job, type JobOptions, runJob } from './job.js';
import { native } from './load.js';
import type { Fd } from './native-core.js';
import type {
  NativeDelta,
  NativePacking,
  NativePageIntakeOptions,
  NativePageSenderOptions,
  PageCodec,
  SinkReception,
  TransferCounters,
} from './native-pages.js';

export type { PageCodec, TransferCounters } from './native-pages.js';
export type PagePacking = NativePacking;
export type PageDelta = NativeDelta;
export type PageSenderOptions = NativePageSenderOptions;
export type PageIntakeOptions = NativePageIntakeOptions;

/** A task whose memory is read while it runs. */
export interface ScanTask {
  readonly pid: number;
  /** By which its images are named: its pid in its own namespace. */
  readonly id: number;
}

/** By the numbers in their names. */
export interface LeftImages {
  readonly tasks: readonly number[];
  readonly shmem: readonly number[];
}

/**
 * The source's end. A level is begun by `serve`, `scan` or `leave` and ended by `finish`; one job at a time. After a failure the streams are
 * shut down.
 */
export interface PageSender extends Disposable {
  /** Sends what CRIU dumps on; consumes `socket`. `parent`: where `finish` has left the pagemaps of the level before. */
  serve(socket: Fd, options?: JobOptions & { readonly parent?: Fd }): Job<SinkReception, TransferCounters>;
  /** Sends what changed of the private memory of running tasks. One that has ended counts as empty. */
  scan(tasks: readonly ScanTask[], options?: JobOptions): Job<void, TransferCounters>;
  /**
   * Takes a dump whose images lie in `directory`, and stay there: what CRIU restores itself is sent, what may come lazily is left behind. With
   * digests what the destination has already becomes a hole.
   */
  leave(directory: Fd, images: LeftImages, options?: JobOptions): Job<void, TransferCounters>;
  /** Pagemaps and barriers; `directory` gets the pagemaps, too. */
  finish(options?: JobOptions & { readonly directory?: Fd }): Job<void, TransferCounters>;
  counters(): TransferCounters;
}

/** The streams stay the caller's to close. IO with ENOSYS when digests or keys are wanted and this Node has no OpenSSL. */
export function openPageSender(options: PageSenderOptions): PageSender {
  const sender = attempt('open the page streams', () => new (native().PageSender)(options));
  return {
    serve: (socket, { parent, ...job } = {}) => runJob('send pages', job, () => sender.serve(socket, parent)),
    scan: (tasks, job = {}) =>
      runJob('send the memory of running tasks', job, () => sender.scan(tasks.flatMap(({ pid, id }) => [pid, id]))),
    leave: (directory, { tasks, shmem }, job = {}) =>
      runJob('send what cannot stay behind', job, () => sender.leave(directory, tasks, shmem)),
    finish: ({ directory, ...job } = {}) => runJob('finish the level', job, () => sender.finish(directory)),
    counters: () => sender.counters(),
    [Symbol.dispose]: () => sender.close(),
  };
}

/** What can be unpacked here. */
export function pageCodecs(): readonly PageCodec[] {
  return attempt('look for compression libraries', () => native().PageIntake.codecs());
}

/** The destination's end: one level after the other. */
export interface PageIntake extends Disposable {
  /**
   * Takes the next level into `directory`, which gets pages-N.img and pagemap-*.img and nothing else. Pages that it replaces are freed
   * in the parents. With `lacking` pages that may come lazily need not come. IO with EPROTO, EBADMSG (not sealed with our key), EFBIG (more than was announced), ECONNRESET, ENOSPC, ...
   */
  receive(
    directory: Fd,
    options?: JobOptions & { readonly parent?: Fd; readonly lacking?: boolean },
  ): Job<void, TransferCounters>;
  counters(): TransferCounters;
}

/** As openPageSender(). */
export function openPageIntake(options: PageIntakeOptions): PageIntake {
  const intake = attempt('open the page streams', () => new (native().PageIntake)(options));
  return {
    receive: (directory, { parent, lacking = false, ...job } = {}) =>
      runJob('receive pages', job, () => intake.receive(directory, parent, lacking)),
    counters: () => intake.counters(),
    [Symbol.dispose]: () => intake.close(),
  };
}
