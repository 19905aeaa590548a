import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { planRuns } from '../../../src/bench/plan.js';

describe('planRuns()', () => {
  it('takes turns: warm-ups first, then A B A B', () => {
    const order = planRuns(2, 2, 1).map(({ peer, warmup, index }) => `${'AB'[peer]}${warmup ? 'w' : ''}${index}`);
    expect(order).toEqual(['Aw0', 'Bw0', 'A0', 'B0', 'A1', 'B1']);
  });

  it('restores each peer exactly once, in its first run, with or without warm-ups', () => {
    const natural = (min: number) => fc.integer({ min, max: 6 });
    fc.assert(
      fc.property(natural(1), natural(1), natural(0), (peers, runs, warmups) => {
        const plan = planRuns(peers, runs, warmups);
        expect(plan).toHaveLength(peers * (runs + warmups));
        expect(plan.slice(0, peers).every(({ restore }) => restore)).toBe(true);
        expect(plan.slice(peers).some(({ restore }) => restore)).toBe(false);
      }),
    );
  });
});
