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
