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

export type Reason = 'max-iterations' | 'max-total' | 'max-bytes' | 'diverging';

export interface SoFar {
  readonly iterations: readonly IterationReport[];
  readonly elapsedMs: number;
  readonly wireBytes: number;
}

/** So many iterations in a row without getting better are no accident. */
const PATIENCE = 3;
/** An iteration that is not at least so much better than the best before counts as no better. */
const BETTER = 0.95;

/** Asked after every iteration; `iterations` is not empty. */
export function decide({ iterations, elapsedMs, wireBytes }: SoFar, policy: Policy): Verdict {
  const predictedDowntimeMs = iterations.at(-1)?.predictedDowntimeMs ?? Number.POSITIVE_INFINITY;
  // The first one says nothing of the dirty rate yet.
  if (iterations.length > 1 && predictedDowntimeMs <= policy.maxDowntimeMs)
    return { kind: 'converged', predictedDowntimeMs };
  if (elapsedMs >= policy.maxTotalMs) return { kind: 'give-up', why: 'max-total', predictedDowntimeMs };
  if (wireBytes >= policy.maxBytes) return { kind: 'give-up', why: 'max-bytes', predictedDowntimeMs };
  const why =
    iterations.length >= policy.maxIterations ? 'max-iterations' : isDiverging(iterations) ? 'diverging' : undefined;
  if (why === undefined) return { kind: 'iterate' };
  return { kind: policy.whenDiverging, why, predictedDowntimeMs };
}

function isDiverging(iterations: readonly IterationReport[]): boolean {
  // The first carries everything: it is no measure.
  const dirty = iterations.slice(1).map(({ changedBytes }) => changedBytes);
  if (dirty.length <= PATIENCE) return false;
  const best = Math.min(...dirty.slice(0, -PATIENCE));
  return dirty.slice(-PATIENCE).every((bytes) => bytes > best * BETTER);
}

/** What a final dump would cost now. */
export interface DowntimeModel {
  /** Of the whole tree: a final dump looks at all of it when the kernel does not track writes. */
  readonly bytes: number;
  readonly dirtyBytesPerSecond: number;
  /** How long the last iteration took: so long ago its first page was read. */
  readonly lastMs: number;
  readonly wireBytesPerSecond: number;
  /** How fast pages are looked at. */
  readonly dumpBytesPerSecond: number;
  /** How fast the destination fills memory. */
  readonly fillBytesPerSecond: number;
  readonly roundTripMs: number;
  /** Bytes on the wire per changed byte. */
  readonly wireRatio: number;
}

const MS_PER_S = 1000;
// CRIU's own work whatever the size, on two quiet cores: freezing and dumping, restoring and letting go.
const DUMP_FIXED_MS = 25;
const RESTORE_FIXED_MS = 25;
/** The files and `restore` arrive, `prepared` comes back, `go` arrives, `running` comes back. */
const ROUND_TRIPS = 2;

/** What was dirtied since the last iteration read its pages must travel; everything is looked at, and everything is filled. */
export function predictDowntime(model: DowntimeModel): number {
  const { bytes, dirtyBytesPerSecond, lastMs, wireBytesPerSecond, dumpBytesPerSecond, wireRatio } = model;
  const dirty = Math.min(bytes, (dirtyBytesPerSecond * lastMs) / MS_PER_S);
  const dumpMs = (bytes / dumpBytesPerSecond) * MS_PER_S;
  const transferMs = ((dirty * wireRatio) / wireBytesPerSecond) * MS_PER_S;
  const fillMs = (bytes / model.fillBytesPerSecond) * MS_PER_S;
  const fixedMs = DUMP_FIXED_MS + RESTORE_FIXED_MS + ROUND_TRIPS * model.roundTripMs;
  // CRIU dumps and we send at the same time: the slower one counts.
  return fixedMs + Math.max(dumpMs, transferMs) + fillMs;
}
