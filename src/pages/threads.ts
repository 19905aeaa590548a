// How many threads move pages.

import { availableParallelism } from 'node:os';

// One more than processors, so that copying gets its share beside CRIU and the tree's parasite; more than four are not fed by one CRIU.
// Measured on two processors, 1 GiB, medians of 12: one thread 0.31 s frozen, two 0.25 s, three 0.22 s.
export const COPYING_THREADS = Math.min(4, availableParallelism() + 1);

/** Where all write into one file: its lock lets one at a time, and who waits for it spins, on a processor that CRIU needs. */
export const WRITING_THREADS = 1;
