// The fill of a restored tree in the hands of the caller.

import { keepingAlive } from '../keeping-alive.js';
import { type Operation, operation } from '../operation.js';
import { lazyFailed, type PagesOf } from './failed.js';
import type { Filling, FillProgress, FillReport } from './options.js';
import { fillProgress, fillReport, type Moments } from './report.js';
import type { LazyService } from './service.js';

// As often as the progress of a dump.
const PERIOD_MS = 100;

export function nowNs(): number {
  return Number(process.hrtime.bigint());
}

/** Follows the service to its verdict. An abort asks it to kill the tree. */
export function fillingOf(service: LazyService, pages: PagesOf, moments: Moments): Filling {
  const run: Operation<FillProgress, FillReport> = operation(undefined, async ({ signal, emit }) => {
    const abort = (): void => service.abort();
    signal.addEventListener('abort', abort, { once: true });
    const look = (): void => {
      const counters = service.counters();
      if (counters !== undefined) emit(fillProgress(counters, moments, nowNs()));
    };
    const timer = setInterval(look, PERIOD_MS);
    // Who does not wait for the fill need not stay for it.
    timer.unref();
    try {
      const message = await service.verdict;
      look();
      const counters = service.counters();
      if (message.event !== 'filled' || counters === undefined) throw lazyFailed(message, pages);
      return fillReport(counters, moments);
    } finally {
      clearInterval(timer);
      signal.removeEventListener('abort', abort);
    }
  });
  return {
    get done() {
      return keepingAlive(run.done);
    },
    async *[Symbol.asyncIterator]() {
      const ended = keepingAlive(run.done);
      yield* run;
      await ended;
    },
    [Symbol.asyncDispose]: () => run[Symbol.asyncDispose](),
  };
}
