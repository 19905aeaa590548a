// When to stop iterating. Pure: no clock, no I/O. The model is QEMU's: an iteration measures how fast the link carries and how fast the
// tree dirties; what is dirty now, at the measured bandwidth, is the downtime that a final dump would cost.

import type { IterationReport } from './source/options.js';

export interface Policy {
  readonly maxDowntimeMs: number;
  readonly maxIterations: number;
  readonly maxTotalMs: number;
  readonly maxBytes: number;
  /** What to do when it does not converge. */
  readonly whenDiverging: 'give-up' | 'stop' | 'lazy';
  /** The tree may be slowed down by at most this share of its processor time. */
  readonly maxThrottle: number;
}

export type Verdict =
  /** With the tree slowed down by this share. */
  | { readonly kind: 'iterate'; readonly throttle: number }
  /** Time for the final dump. */
  | { readonly kind: 'converged'; readonly predictedDowntimeMs: number }
  /** It will not get better, and the caller wants the final dump all the same. */
  | { readonly kind: 'stop'; readonly why: Reason; readonly predictedDowntimeMs: number }
  /** It will not get better: what has changed is to stay behind until the copy asks for it. */
  | { readonly kind: 'lazy'; readonly why: Reason; readonly predictedDowntimeMs: number }
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
const PATIENCE = { 'give-up': 3, stop: 1, lazy: 1 } as const;
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
  // To stop the tree would take more of both; to go lazy ends the iterations.
  const otherwise = policy.whenDiverging === 'lazy' ? 'lazy' : 'give-up';
  if (elapsedMs >= policy.maxTotalMs) return { kind: otherwise, why: 'max-total', predictedDowntimeMs };
  if (wireBytes >= policy.maxBytes) return { kind: otherwise, why: 'max-bytes', predictedDowntimeMs };
  const throttle = throttleAfter(iterations, policy);
  const slower = throttle > (iterations.at(-1)?.throttle ?? 0);
  const stuck = slower ? undefined : hopeless(iterations, policy);
  const why = iterations.length >= policy.maxIterations ? 'max-iterations' : stuck;
  if (why === undefined) return { kind: 'iterate', throttle };
  return { kind: policy.whenDiverging, why, predictedDowntimeMs };
}

// QEMU's auto-converge (migration/ram.c): when more than half of what an iteration carries is dirtied meanwhile, by a fifth at first, then by a tenth more.
const TRIGGER = 0.5;
const FIRST_STEP = 0.2;
const STEP = 0.1;

/** By how much to slow the tree down in the next iteration. */
export function throttleAfter(iterations: readonly IterationReport[], { maxThrottle }: Policy): number {
  const [before, last] = iterations.slice(-2);
  if (before === undefined || last === undefined) return 0;
  const gained = last.changedBytes <= before.changedBytes * TRIGGER;
  if (gained || isLeast(last)) return last.throttle;
  const next = last.throttle === 0 ? FIRST_STEP : last.throttle + STEP;
  return Math.min(maxThrottle, Math.round(next * 100) / 100);
}

function isLeast({ predictedDowntimeMs, leastDowntimeMs }: IterationReport): boolean {
  return predictedDowntimeMs <= leastDowntimeMs * NEAR;
}

function hopeless(iterations: readonly IterationReport[], { whenDiverging, maxThrottle }: Policy): Reason | undefined {
  // The first carries everything: it is no measure. Nor is one whose tree may be slowed down further.
  const measured = iterations.slice(1).filter((each) => each.throttle >= maxThrottle || isLeast(each));
  const patience = PATIENCE[whenDiverging];
  const last = measured.slice(-patience);
  if (last.length < patience) return undefined;
  if (last.every(isLeast)) return 'too-large';
  const best = Math.min(...measured.slice(0, -patience).map(({ changedBytes }) => changedBytes));
  return last.every(({ changedBytes }) => changedBytes > best * BETTER) ? 'diverging' : undefined;
}
