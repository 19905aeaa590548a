// When to stop iterating. Pure: no clock, no I/O. The model is QEMU's: an iteration measures how fast the link carries and how fast the
// tree dirties; what is dirty now, at the measured bandwidth, is the downtime that a final dump would cost.

import type { IterationReport } from './source/options.js';

export interface Policy {
  readonly maxDowntimeMs: number;
  readonly maxIterations: number;
  readonly maxTotalMs: number;
  readonly maxBytes: number;
  /** What to do when it does not converge. */
  readonly whenDiverging: 'give-up' | 'stop';
}

export type Verdict =
  | { readonly kind: 'iterate' }
  /** Time for the final dump. */
  | { readonly kind: 'converged'; readonly predictedDowntimeMs: number }
  /** It will not get better, and the caller wants the final dump all the same. */
  | { readonly kind: 'stop'; readonly why: Reason; readonly predictedDowntimeMs: number }
  | { readonly kind: 'give-up'; readonly why: Reason; readonly predictedDowntimeMs: number };

/** `too-large`: what does not depend on what has changed, looking at the tree and filling its memory, takes that long by itself. */
export type Reason = 'max-iterations' | 'max-total' | 'max-bytes' | 'diverging' | 'too-large';

export interface SoFar {
  readonly iterations: readonly IterationReport[];
  readonly elapsedMs: number;
  readonly wireBytes: number;
}

/**
 * So many iterations in a row without anything gained are no accident. One is enough where the tree is stopped all the same: the others
 * would cost time and bytes for nothing.
 */
const PATIENCE = { 'give-up': 3, stop: 1 } as const;
/** An iteration that is not at least so much better than the best before counts as no better. */
const BETTER = 0.95;
/** What is predicted is within so much of what it could be at least: there is nothing to be gained by another iteration. */
const NEAR = 1.05;

/** Asked after every iteration; `iterations` is not empty. */
export function decide({ iterations, elapsedMs, wireBytes }: SoFar, policy: Policy): Verdict {
  const predictedDowntimeMs = iterations.at(-1)?.predictedDowntimeMs ?? Number.POSITIVE_INFINITY;
  // The first one says nothing of the dirty rate yet.
  if (iterations.length > 1 && predictedDowntimeMs <= policy.maxDowntimeMs)
    return { kind: 'converged', predictedDowntimeMs };
  if (elapsedMs >= policy.maxTotalMs) return { kind: 'give-up', why: 'max-total', predictedDowntimeMs };
  if (wireBytes >= policy.maxBytes) return { kind: 'give-up', why: 'max-bytes', predictedDowntimeMs };
  const why = iterations.length >= policy.maxIterations ? 'max-iterations' : hopeless(iterations, policy);
  if (why === undefined) return { kind: 'iterate' };
  return { kind: policy.whenDiverging, why, predictedDowntimeMs };
}

function hopeless(iterations: readonly IterationReport[], { whenDiverging }: Policy): Reason | undefined {
  // The first carries everything: it is no measure.
  const measured = iterations.slice(1);
  const patience = PATIENCE[whenDiverging];
  const last = measured.slice(-patience);
  if (last.length < patience) return undefined;
  if (last.every(({ predictedDowntimeMs, leastDowntimeMs }) => predictedDowntimeMs <= leastDowntimeMs * NEAR))
    return 'too-large';
  const best = Math.min(...measured.slice(0, -patience).map(({ changedBytes }) => changedBytes));
  return last.every(({ changedBytes }) => changedBytes > best * BETTER) ? 'diverging' : undefined;
}

/** What a final dump would cost now. */
export interface DowntimeModel {
  /** Of the whole tree, which the destination fills. */
  readonly bytes: number;
  /** That a final dump looks at, whatever has changed: the whole tree where the kernel does not track writes. */
  readonly lookedAtBytes: number;
  /** What will have changed: see predictDirty(). */
  readonly dirtyBytes: number;
  readonly wireBytesPerSecond: number;
  /** How fast pages are looked at. */
  readonly dumpBytesPerSecond: number;
  /** How fast the destination fills memory. */
  readonly fillBytesPerSecond: number;
  readonly roundTripMs: number;
  /** Bytes on the wire per changed byte. */
  readonly wireRatio: number;
}

export interface Prediction {
  readonly predictedDowntimeMs: number;
  /** If nothing had changed. */
  readonly leastDowntimeMs: number;
}

const MS_PER_S = 1000;
// CRIU's own work whatever the size, on two quiet cores: freezing and dumping, restoring and letting go.
const DUMP_FIXED_MS = 25;
const RESTORE_FIXED_MS = 25;
/** The files and `restore` arrive, `prepared` comes back, `go` arrives. */
const ROUND_TRIPS = 1.5;

/** What was dirtied since the last iteration read its pages must travel; everything is filled. */
export function predictDowntime(model: DowntimeModel): Prediction {
  const { bytes, lookedAtBytes, dirtyBytes, wireBytesPerSecond, dumpBytesPerSecond, wireRatio } = model;
  const dumpMs = ((lookedAtBytes + dirtyBytes) / dumpBytesPerSecond) * MS_PER_S;
  const transferMs = ((dirtyBytes * wireRatio) / wireBytesPerSecond) * MS_PER_S;
  const fillMs = (bytes / model.fillBytesPerSecond) * MS_PER_S;
  const fixedMs = DUMP_FIXED_MS + RESTORE_FIXED_MS + ROUND_TRIPS * model.roundTripMs;
  const leastMs = (lookedAtBytes / dumpBytesPerSecond) * MS_PER_S;
  // CRIU dumps and we send at the same time: the slower one counts.
  return {
    predictedDowntimeMs: fixedMs + Math.max(dumpMs, transferMs) + fillMs,
    leastDowntimeMs: fixedMs + leastMs + fillMs,
  };
}

/** What had changed after so long. */
export interface Dirtied {
  readonly changedBytes: number;
  readonly sinceMs: number;
}

// Two times must differ by so much to say how what is dirty grows with time.
const TELLING = 1.3;
/** Where nothing is known of it: between a tree that writes ever other pages (1) and one that writes the same ones again and again (0). */
const GROWTH = 0.5;

/** What will have changed after `ms`: what is dirty grows with a power of the time, at most as the time itself. */
export function predictDirty(last: Dirtied, before: Dirtied | undefined, ms: number): number {
  if (last.changedBytes === 0 || last.sinceMs <= 0 || ms <= 0) return 0;
  return last.changedBytes * (ms / last.sinceMs) ** growth(last, before);
}

function growth(last: Dirtied, before: Dirtied | undefined): number {
  if (before === undefined || before.changedBytes === 0 || before.sinceMs <= 0) return GROWTH;
  const longer = last.sinceMs / before.sinceMs;
  if (Math.max(longer, 1 / longer) < TELLING) return GROWTH;
  return Math.min(1, Math.max(0, Math.log(last.changedBytes / before.changedBytes) / Math.log(longer)));
}
