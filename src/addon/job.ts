// A native job as the rest of Frazil sees it: with an AbortSignal, typed errors, and `await using`.

import { constants } from 'node:os';
import { aborted } from '../errors/aborted.js';
import { isNativeFailure, toError } from './failure.js';
import type { NativeJob } from './native-core.js';

/** Background work. Settles once; `await using` cancels it and waits until its thread has let go of its fds. */
export interface Job<T, Counters = undefined> extends AsyncDisposable {
  /** Rejects with ABORTED after `cancel()` or an abort, with IO when a system call failed. */
  readonly done: Promise<T>;
  cancel(): void;
  /** Lets the event loop end although this runs. */
  unref(): void;
  snapshot(): Counters;
}

export interface JobOptions {
  /** Aborting it cancels; its reason becomes the cause of ABORTED. What was not yet received or reaped stays so. */
  readonly signal?: AbortSignal | undefined;
}

/** `action` completes "Cannot ...". Throws ABORTED before `start` when the signal is aborted already. */
export function runJob<T, Counters>(
  action: string,
  { signal }: JobOptions,
  start: () => NativeJob<T, Counters>,
): Job<T, Counters> {
  if (signal?.aborted === true) throw aborted(action, signal.reason);
  const job = begin(action, start);
  const done = settle(action, job, signal);
  // Whoever cancels or disposes knows how it ends; without this a cancelled job that nobody awaits ends the process.
  const cancel = (): void => {
    done.catch(() => {});
    job.cancel();
  };
  return {
    done,
    cancel,
    unref: () => job.unref(),
    snapshot: () => job.snapshot(),
    async [Symbol.asyncDispose]() {
      cancel();
      await done.catch(() => {});
    },
  };
}

function begin<T>(action: string, start: () => T): T {
  try {
    return start();
  } catch (reason) {
    throw toError(reason, action);
  }
}

async function settle<T>(action: string, job: NativeJob<T, unknown>, signal?: AbortSignal): Promise<T> {
  const abort = (): void => job.cancel();
  signal?.addEventListener('abort', abort, { once: true });
  try {
    return await job.done;
  } catch (reason) {
    const cancelled = isNativeFailure(reason) && reason.errno === constants.errno.ECANCELED;
    throw cancelled ? aborted(action, signal?.reason) : toError(reason, action);
  } finally {
    signal?.removeEventListener('abort', abort);
  }
}
