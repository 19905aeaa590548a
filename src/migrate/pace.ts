// How fast this host is at what CRIU does: starting it, one exchange with it and its end take what a dump or a restore of a small tree takes
// (processes, pages, files, sockets), a few times less. The alternative, milliseconds of a machine that we know, is wrong on every other one.

import { version } from '../criu/ask.js';

const LOOKS = 3;

/** How long it takes in milliseconds, looked at a few times more. Rejects with CRIU_MISSING, CRIU_DIED or ABORTED. */
export type Pace = () => Promise<number>;

/**
 * The best of all looks: beside an iteration the rest of the time is waiting for a processor, which a final dump, with the tree frozen and
 * nothing else of ours at work, does not. Measured under a load of 30 on two cores: single looks from 6 to 55 ms, parts of downtimes as ever.
 */
export function openPace(criu: string | undefined, signal: AbortSignal): Pace {
  let best = Number.POSITIVE_INFINITY;
  return async () => {
    for (let look = 0; look < LOOKS; look += 1) {
      const from = performance.now();
      await version({ signal, ...(criu === undefined ? {} : { criu }) });
      best = Math.min(best, performance.now() - from);
    }
    return best;
  };
}
