// The page sink: the other end of the socket on which CRIU sends memory (native/page).

import { attempt } from './failure.js';
import { type Job, type JobOptions, runJob } from './job.js';
import { native } from './load.js';
import type { Fd } from './native-core.js';
import type { NativePageSinkOptions, SinkCounters, SinkReception } from './native-pages.js';

export type { SinkCounters, SinkFailure, SinkReception } from './native-pages.js';
export type PageSinkOptions = NativePageSinkOptions;

/**
 * One dump's pages. `prepare`, `serve`, `settle` and `dedup` run at most once each, in this order. An aborted job leaves partial
 * files, which are the caller's to remove. Closing it gives absorbed pages back, when no job runs any more.
 */
export interface PageSink extends Disposable {
  /** Makes memory ready while the tree still runs. IO with ENOMEM, ENOSPC, or EPERM where no private tmpfs can be mounted. */
  prepare(expectedBytes: number, options?: JobOptions): Job<void, SinkCounters>;
  /** Serves CRIU until it has closed; consumes `socket`. What CRIU did wrong is in the value, not thrown. */
  serve(socket: Fd, options?: JobOptions): Job<SinkReception, SinkCounters>;
  /** Brings everything to the directory: pages, zero pages as holes, pagemaps. */
  settle(options?: JobOptions): Job<void, SinkCounters>;
  /**
   * Frees what this dump replaces in all parents, as `autoDedup` asks for: only after the dump is whole, as the parents cannot be
   * restored by themselves any more. IO when a pages file of theirs cannot be punched.
   */
  dedup(options?: JobOptions): Job<void, SinkCounters>;
  /** Also when it is closed. */
  counters(): SinkCounters;
}

/** IO when the parent chain cannot be opened (ELOOP: it leads to itself; ENOENT: nowhere). The fds stay the caller's. */
export function openPageSink(options: PageSinkOptions): PageSink {
  const sink = attempt('open a page sink', () => new (native().PageSink)(options));
  return {
    prepare: (bytes, job = {}) => runJob('prepare memory for the pages', job, () => sink.prepare(bytes)),
    serve: (socket, job = {}) => runJob('receive pages', job, () => sink.serve(socket)),
    settle: (job = {}) => runJob('write the pages', job, () => sink.settle()),
    dedup: (job = {}) => runJob('free pages in the parents', job, () => sink.dedup()),
    counters: () => sink.counters(),
    [Symbol.dispose]: () => sink.close(),
  };
}

/** The root directory of a memory file system that has no name and ends with its last fd. IO (EPERM) without CAP_SYS_ADMIN. */
export function privateTmpfs(): Fd {
  return attempt('mount a private tmpfs', () => native().privateTmpfs());
}
