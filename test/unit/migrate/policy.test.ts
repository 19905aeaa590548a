// The verdict after an iteration, and what it rests on.

import { describe, expect, it } from 'vitest';
import { decide, type Policy, throttleAfter } from '../../../src/migrate/policy.js';
import type { IterationReport } from '../../../src/migrate/source/options.js';

const POLICY: Policy = {
  maxDowntimeMs: 250,
  maxIterations: 30,
  maxTotalMs: Number.POSITIVE_INFINITY,
  maxBytes: Number.POSITIVE_INFINITY,
  whenDiverging: 'give-up',
  maxThrottle: 0,
};
const MIB = 2 ** 20;

function iteration(number: number, given: Partial<IterationReport>): IterationReport {
  return {
    number,
    bytes: 1024 * MIB,
    changedBytes: 100 * MIB,
    zeroPages: 0,
    samePages: 0,
    patchedBytes: 0,
    patchBytes: 0,
    packedBytes: 0,
    bodyBytes: 0,
    wireBytes: 0,
    ms: 1000,
    lookMs: 900,
    sinceMs: number === 0 ? undefined : 1000,
    dirtyBytesPerSecond: undefined,
    throttle: 0,
    wireBytesPerSecond: 100 * MIB,
    readMs: 0,
    sortMs: 0,
    stallMs: 0,
    predictedDowntimeMs: 1000,
    leastDowntimeMs: 100,
    ...given,
  };
}

function verdictOf(policy: Partial<Policy>, ...given: readonly Partial<IterationReport>[]): string {
  const iterations = given.map((each, number) => iteration(number, each));
  const verdict = decide({ iterations, elapsedMs: 5000, wireBytes: 5000 * MIB }, { ...POLICY, ...policy });
  return verdict.kind === 'iterate' || verdict.kind === 'converged' ? verdict.kind : `${verdict.kind}: ${verdict.why}`;
}

describe('decide()', () => {
  it('believes no prediction before a second iteration has shown how fast the tree changes', () => {
    expect(verdictOf({}, { predictedDowntimeMs: 10 })).toBe('iterate');
    expect(verdictOf({}, {}, { predictedDowntimeMs: 10 })).toBe('converged');
  });

  it('goes on while less and less has changed', () => {
    const shrinking = [800, 400, 200, 100, 50].map((mib) => ({ changedBytes: mib * MIB }));
    for (const whenDiverging of ['give-up', 'stop'] as const)
      for (let n = 1; n <= shrinking.length; n += 1)
        expect(verdictOf({ whenDiverging }, ...shrinking.slice(0, n))).toBe('iterate');
  });

  it('gives up after three iterations without a gain, and stops a tree after the first', () => {
    const same = (n: number): Partial<IterationReport>[] => Array.from({ length: n }, () => ({}));
    expect(verdictOf({}, ...same(4))).toBe('iterate');
    expect(verdictOf({}, ...same(5))).toBe('give-up: diverging');
    expect(verdictOf({ whenDiverging: 'stop' }, ...same(2))).toBe('iterate');
    expect(verdictOf({ whenDiverging: 'stop' }, ...same(3))).toBe('stop: diverging');
    expect(verdictOf({ whenDiverging: 'lazy' }, ...same(2))).toBe('iterate');
    expect(verdictOf({ whenDiverging: 'lazy' }, ...same(3))).toBe('lazy: diverging');
  });

  it('sees that iterating does not make a large tree small', () => {
    const least = [500, 250, 120, 60].map((mib) => ({
      changedBytes: mib * MIB,
      predictedDowntimeMs: 1000,
      leastDowntimeMs: 990,
    }));
    expect(verdictOf({ whenDiverging: 'stop' }, ...least.slice(0, 2))).toBe('stop: too-large');
    expect(verdictOf({}, ...least.slice(0, 3))).toBe('iterate');
    expect(verdictOf({}, ...least)).toBe('give-up: too-large');
  });

  it('keeps to the limits', () => {
    expect(verdictOf({ maxTotalMs: 4000 }, {})).toBe('give-up: max-total');
    expect(verdictOf({ maxBytes: 4000 * MIB }, {})).toBe('give-up: max-bytes');
    // To go lazy takes no more of either.
    expect(verdictOf({ maxTotalMs: 4000, whenDiverging: 'lazy' }, {})).toBe('lazy: max-total');
    expect(verdictOf({ maxBytes: 4000 * MIB, whenDiverging: 'lazy' }, {})).toBe('lazy: max-bytes');
    expect(verdictOf({ maxIterations: 1 }, {})).toBe('give-up: max-iterations');
    expect(verdictOf({ maxIterations: 1, whenDiverging: 'stop' }, {})).toBe('stop: max-iterations');
  });
});

describe('throttleAfter()', () => {
  const policy = { ...POLICY, maxThrottle: 0.5 };
  const shareAfter = (...given: readonly Partial<IterationReport>[]): number =>
    throttleAfter(
      given.map((each, number) => iteration(number, each)),
      policy,
    );

  it('slows nothing down that is not allowed, or that gains by itself', () => {
    const same = [iteration(0, {}), iteration(1, {})];
    expect(throttleAfter(same, POLICY)).toBe(0);
    expect(shareAfter({})).toBe(0);
    expect(shareAfter({}, { changedBytes: 50 * MIB })).toBe(0);
    expect(shareAfter({}, { changedBytes: 50 * MIB, throttle: 0.3 })).toBe(0.3);
  });

  it('begins with a fifth, adds a tenth while it does not help, and ends at the limit', () => {
    expect(shareAfter({}, {})).toBe(0.2);
    expect(shareAfter({}, {}, { throttle: 0.2 })).toBe(0.3);
    expect(shareAfter({}, {}, { throttle: 0.4 })).toBe(0.5);
    expect(shareAfter({}, {}, { throttle: 0.5 })).toBe(0.5);
  });

  it('does not slow down what is large and not busy', () => {
    expect(shareAfter({}, { predictedDowntimeMs: 1000, leastDowntimeMs: 990 })).toBe(0);
  });

  it('gives up only at the limit, after three iterations without a gain', () => {
    const at = (share: number): Partial<IterationReport> => ({ throttle: share });
    const raised = [{}, {}, at(0.2), at(0.3), at(0.4), at(0.5)];
    expect(verdictOf({ maxThrottle: 0.5 }, ...raised)).toBe('iterate');
    expect(verdictOf({ maxThrottle: 0.5 }, ...raised, at(0.5), at(0.5))).toBe('iterate');
    expect(verdictOf({ maxThrottle: 0.5 }, ...raised, at(0.5), at(0.5), at(0.5))).toBe('give-up: diverging');
    expect(verdictOf({ maxThrottle: 0.5, maxIterations: 2 }, {}, {})).toBe('give-up: max-iterations');
  });
});
