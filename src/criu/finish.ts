// The end of a dump: everything to its place, then the commit. What makes it delicate is the caller's abort, which CRIU is told of at
// once, whatever we are in the middle of. So a commit that has begun closes the gate through which aborts come: it ends, CRIU
// is told to proceed, and the dump has succeeded. And one that comes after an abort does not begin.

import type { PageSink } from '../addon/page-sink.js';
import type { CapturePlace } from './capture-place.js';
import type { CaptureTracker } from './progress.js';

/** A signal that follows another until it is closed. */
export interface Gate extends Disposable {
  readonly signal: AbortSignal;
  /** Later aborts are too late. */
  close(): void;
}

export function openGate(signal: AbortSignal): Gate {
  const own = new AbortController();
  const pass = (): void => own.abort(signal.reason);
  const close = (): void => signal.removeEventListener('abort', pass);
  if (signal.aborted) pass();
  else signal.addEventListener('abort', pass, { once: true });
  return { signal: own.signal, close, [Symbol.dispose]: close };
}

export interface Finish extends AsyncDisposable {
  readonly committed: boolean;
  /** Everything but the renames. Rejects with ABORTED or IO. */
  settle(): Promise<void>;
  /**
   * False when an abort or the end of the dump came before: then nothing has changed. Rejects with IO; then, too, the images directory
   * is as it was.
   */
  commit(): Promise<boolean>;
}

export interface Finishing {
  readonly place: Pick<CapturePlace, 'settle' | 'commit'>;
  readonly sink: PageSink;
  readonly tracker: CaptureTracker;
}

/**
 * Disposing ends the settling, and waits for what is under way: the folders in which it works are removed next. Afterwards `committed`
 * stays what it is.
 */
export function finishing({ place, sink, tracker }: Finishing, gate: Gate): Finish {
  let underWay: Promise<unknown> = Promise.resolve();
  let settled = false;
  let committed = false;
  const end = new AbortController();
  const follow = <T>(step: Promise<T>): Promise<T> => {
    underWay = step.catch(() => {});
    return step;
  };
  return {
    get committed() {
      return committed;
    },
    async settle() {
      if (settled) return;
      tracker.enter('writing');
      await follow(place.settle(sink, AbortSignal.any([gate.signal, end.signal])));
      settled = true;
    },
    async commit() {
      // The caller may have held a notification for long, and answer it when all is over.
      if (end.signal.aborted || gate.signal.aborted) return false;
      gate.close();
      await follow(place.commit());
      committed = true;
      return true;
    },
    async [Symbol.asyncDispose]() {
      end.abort();
      await underWay;
    },
  };
}
