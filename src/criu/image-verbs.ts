// The verbs over finished images for the entry point: the long ones as operations with progress, all loaded when they are first used.
// What each promises stands at its definition in src/images.

import type { DiffCounters, SearchCounters, SquashCounters } from '../addon/images.js';
import type * as Dedup from '../images/dedup.js';
import type { DiffOptions, DiffReport } from '../images/diff.js';
import type * as Rewrite from '../images/rewrite/rewrite.js';
import type { SearchOptions, SearchReport } from '../images/search.js';
import type { SquashOptions, SquashReport } from '../images/squash.js';
import type * as Verify from '../images/verify-chain.js';
import { type Operation, operation } from './operation.js';

export interface ImagesProgress {
  readonly phase: 'searching' | 'comparing' | 'copying';
  readonly bytes: number;
  /** Absent where it is not known before. */
  readonly totalBytes?: number;
}

const PAGE_BYTES = 4096;
// As for a dump: fluent for the eye, nothing for the processor.
const PERIOD_MS = 100;

export const verifyChain: typeof Verify.verifyChain = async (...given) =>
  (await import('../images/verify-chain.js')).verifyChain(...given);
export const dedup: typeof Dedup.dedup = async (...given) => (await import('../images/dedup.js')).dedup(...given);

export const rewrite: typeof Rewrite.rewrite = async (...given) =>
  (await import('../images/rewrite/rewrite.js')).rewrite(...given);

/** See src/images/search.ts. */
export function searchMemory(
  imagesDir: string,
  patterns: readonly (string | Uint8Array)[],
  options: Omit<SearchOptions, 'watch'> = {},
): Operation<ImagesProgress, SearchReport> {
  return watched(
    options.signal,
    ({ bytes, bytesTotal }: SearchCounters) => ({ phase: 'searching', bytes, totalBytes: bytesTotal }),
    async (own) => (await import('../images/search.js')).searchMemory(imagesDir, patterns, { ...options, ...own }),
  );
}

/** See src/images/squash.ts. */
export function squash(
  imagesDir: string,
  to: string,
  options: Omit<SquashOptions, 'watch'> = {},
): Operation<ImagesProgress, SquashReport> {
  return watched(
    options.signal,
    ({ pages, bytesTotal }: SquashCounters) => ({
      phase: 'copying',
      bytes: pages * PAGE_BYTES,
      totalBytes: bytesTotal,
    }),
    async (own) => (await import('../images/squash.js')).squash(imagesDir, to, own),
  );
}

/** See src/images/diff.ts. */
export function diffMemory(
  first: string,
  second: string,
  options: Omit<DiffOptions, 'watch'> = {},
): Operation<ImagesProgress, DiffReport> {
  return watched(
    options.signal,
    ({ pages }: DiffCounters) => ({ phase: 'comparing', bytes: pages * PAGE_BYTES }),
    async (own) => (await import('../images/diff.js')).diffMemory(first, second, own),
  );
}

interface Own<Counters> {
  readonly signal: AbortSignal;
  readonly watch: (snapshot: () => Counters) => void;
}

function watched<Counters, Report>(
  signal: AbortSignal | undefined,
  toProgress: (counters: Counters) => ImagesProgress,
  run: (own: Own<Counters>) => Promise<Report>,
): Operation<ImagesProgress, Report> {
  return operation(signal, async (work) => {
    let timer: NodeJS.Timeout | undefined;
    const watch: Own<Counters>['watch'] = (snapshot) => {
      timer = setInterval(() => work.emit(toProgress(snapshot())), PERIOD_MS).unref();
    };
    try {
      return await run({ signal: work.signal, watch });
    } finally {
      clearInterval(timer);
    }
  });
}
