import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ratioOfMedians } from '../../../src/bench/statistics/bootstrap.js';
import { compare } from '../../../src/bench/statistics/compare.js';
import { effect } from '../../../src/bench/statistics/effect.js';
import { seededRandom } from '../../../src/bench/statistics/random.js';
import { rankTest } from '../../../src/bench/statistics/rank-test.js';
import { slope } from '../../../src/bench/statistics/slope.js';
import { quantile, summarize } from '../../../src/bench/statistics/summary.js';

const timings = (max = 12) => fc.array(fc.integer({ min: 1, max: 1000 }), { minLength: 1, maxLength: max });

describe('summarize()', () => {
  it('gives the quantiles that R and NumPy give by default', () => {
    expect(quantile([1, 2, 3, 4], 0.25)).toBe(1.75);
    expect(summarize([4, 1, 3, 2])).toEqual({
      count: 4,
      min: 1,
      median: 2.5,
      p95: 3.8499999999999996,
      max: 4,
      iqr: 1.5,
      mad: 1,
    });
  });

  it('has nothing to say about an empty series', () => expect(summarize([])).toBeUndefined());

  it('keeps the order min <= median <= p95 <= max and does not change its argument', () => {
    fc.assert(
      fc.property(timings(), (values) => {
        const copy = [...values];
        const s = summarize(values);
        expect(values).toEqual(copy);
        expect(s !== undefined && s.min <= s.median && s.median <= s.p95 && s.p95 <= s.max && s.mad >= 0).toBe(true);
      }),
    );
  });
});

describe('rankTest()', () => {
  // scipy.stats.mannwhitneyu(first, second, method='exact')
  it.each([
    [[1, 2, 3], [4, 5, 6], 0, 0.1],
    [[1, 2, 3, 4, 5], [6, 7, 8, 9, 10], 0, 2 / 252],
    [[19, 22, 16, 29, 24], [20, 11, 17, 12], 17, 0.1111111111111111],
    [[1, 4], [2, 3], 2, 1],
  ])('knows %j against %j: U %d, p %d', (first, second, u, p) => {
    const test = rankTest(first, second);
    expect(test?.method).toBe('exact');
    expect(test?.u).toBe(u);
    expect(test?.p).toBeCloseTo(p, 12);
  });

  it('counts ties exactly: all permutations of a tied pool', () => {
    // 1 1 2 | 2 3 3: doubled ranks 3 3 7 | 7 11 11; of 20 choices the sums at most 13 or at least 29 are 2 + 2
    expect(rankTest([1, 1, 2], [2, 3, 3])?.p).toBeCloseTo(4 / 20, 12);
    expect(rankTest([5, 5, 5], [5, 5, 5])?.p).toBe(1);
  });

  it('approximates for long series what it counts for short ones', () => {
    const random = seededRandom(7);
    const a = Array.from({ length: 20 }, () => random());
    const b = Array.from({ length: 20 }, () => random() + 0.2);
    const exact = rankTest(a, b);
    const normal = rankTest([...a, 0.5], [...b, 0.5001]);
    expect(exact?.method).toBe('exact');
    expect(normal?.method).toBe('normal');
    expect(Math.abs((exact?.p ?? 0) - (normal?.p ?? 1))).toBeLessThan(0.02);
  });

  it('has the asymptotic p of scipy.stats.mannwhitneyu for 25 against 25', () => {
    const a = Array.from({ length: 25 }, (_, i) => 2 * i);
    const b = Array.from({ length: 25 }, (_, i) => 2 * i + 11);
    expect(rankTest(a, b)?.u).toBe(190);
    expect(rankTest(a, b)?.p).toBeCloseTo(0.0179257774, 6);
  });

  it('is symmetric, in [0, 1], and blind to any growing transformation', () => {
    fc.assert(
      fc.property(timings(), timings(), (a, b) => {
        const p = rankTest(a, b)?.p ?? -1;
        expect(p).toBeGreaterThan(0);
        expect(p).toBeLessThanOrEqual(1);
        expect(rankTest(b, a)?.p).toBeCloseTo(p, 10);
        expect(
          rankTest(
            a.map((x) => x ** 3),
            b.map((x) => x ** 3),
          )?.p,
        ).toBe(p);
      }),
      { numRuns: 50 },
    );
  });

  it('calls a series against itself significant in no more than 5 of 100 draws or so', () => {
    const random = seededRandom(11);
    const draw = () => Array.from({ length: 6 }, () => random());
    const wrong = Array.from({ length: 1000 }, () => rankTest(draw(), draw())?.p ?? 1).filter((p) => p < 0.05).length;
    expect(wrong).toBeLessThan(70);
  });
});

describe('effect()', () => {
  it('is -1 where the second is always less, 0 where both are alike', () => {
    expect(effect([5, 6], [1, 2])).toEqual({ delta: -1, chanceLess: 1, size: 'large' });
    expect(effect([1, 2, 3], [1, 2, 3])).toEqual({ delta: 0, chanceLess: 0.5, size: 'negligible' });
  });

  it('is the rank test in other words: chanceLess = U / pairs', () => {
    fc.assert(
      fc.property(timings(), timings(), (a, b) => {
        expect(effect(a, b)?.chanceLess).toBeCloseTo((rankTest(a, b)?.u ?? -1) / (a.length * b.length), 10);
      }),
    );
  });
});

describe('ratioOfMedians()', () => {
  it('brackets the ratio, and is the same for the same seed', () => {
    fc.assert(
      fc.property(timings(), timings(), fc.integer(), (a, b, seed) => {
        const ratio = ratioOfMedians(a, b, seededRandom(seed));
        expect(ratio).toEqual(ratioOfMedians(a, b, seededRandom(seed)));
        expect(ratio !== undefined && ratio.low <= ratio.high).toBe(true);
        expect((ratio?.low ?? 0) * Math.max(...a)).toBeGreaterThanOrEqual(Math.min(...b) - 1e-9);
      }),
      { numRuns: 20 },
    );
  });

  it('is exact for series without spread', () => {
    expect(ratioOfMedians([4, 4, 4], [2, 2, 2], seededRandom(1))).toEqual({ ratio: 0.5, low: 0.5, high: 0.5 });
  });

  it('has no ratio over zero', () => expect(ratioOfMedians([0, 0], [1, 2], seededRandom(1))).toBeUndefined());
});

describe('compare()', () => {
  const random = seededRandom(3);

  it('calls a significant difference of a page in a thousand what it is', () => {
    const difference = compare([1000, 1000, 1000, 1000, 1001], [1002, 1002, 1003, 1002, 1002], random);
    expect(difference?.test.p).toBeLessThan(0.05);
    expect(difference?.verdict).toBe('alike within 1 %');
  });

  it('says less, more, or that nothing can be said', () => {
    expect(compare([10, 11, 12, 13, 14], [1, 2, 3, 4, 5], random)?.verdict).toBe('less');
    expect(compare([1, 2, 3, 4, 5], [10, 11, 12, 13, 14], random)?.verdict).toBe('more');
    expect(compare([1, 2, 3, 4, 5], [5, 4, 3, 2, 1], random)?.verdict).toBe('no significant difference');
    expect(compare([1, 2, 3], [10, 11, 12], random)?.verdict).toBe('too few runs');
  });
});

describe('slope()', () => {
  it('is that of the line, for points on a line', () => {
    const line = fc.record({ a: fc.integer({ min: -100, max: 100 }), b: fc.integer({ min: -100, max: 100 }) });
    const xs = fc.uniqueArray(fc.integer({ min: 0, max: 1000 }), { minLength: 2, maxLength: 8 });
    fc.assert(
      fc.property(line, xs, ({ a, b }, values) => {
        expect(slope(values.map((x) => ({ x, y: a * x + b })))).toBeCloseTo(a, 6);
      }),
    );
  });

  it('weighs what is off the line', () =>
    expect(
      slope([
        { x: 0, y: 0 },
        { x: 1, y: 3 },
        { x: 2, y: 2 },
      ]),
    ).toBe(1));
});
