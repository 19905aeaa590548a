import { type Ratio, ratioOfMedians } from './bootstrap.js';
import { type Effect, effect } from './effect.js';
import type { Random } from './random.js';
import { type RankTest, rankTest } from './rank-test.js';

export type Verdict = 'less' | 'more' | 'alike within 1 %' | 'no significant difference' | 'too few runs';

export interface Difference extends Ratio {
  readonly test: RankTest;
  readonly effect: Effect;
  readonly verdict: Verdict;
}

/** Below this chance of being drawn from one distribution, two series are said to differ. */
export const SIGNIFICANT = 0.05;

/** Sizes of files and memory hardly vary, so that a page more or less is significant. It is still of no interest to anybody. */
const ALIKE = 0.01;

/** How the second series differs from the first. Undefined where a series is empty or has no ratio. */
export function compare(first: readonly number[], second: readonly number[], random: Random): Difference | undefined {
  const test = rankTest(first, second);
  const size = effect(first, second);
  const ratio = ratioOfMedians(first, second, random);
  if (test === undefined || size === undefined || ratio === undefined) return undefined;
  return {
    ...ratio,
    test,
    effect: size,
    verdict: verdict([first.length, second.length], { test, effect: size, ...ratio }),
  };
}

function verdict(
  [first, second]: readonly [number, number],
  { test, effect: { delta }, low, high }: Omit<Difference, 'verdict'>,
): Verdict {
  if (smallestP(first, second) >= SIGNIFICANT) return 'too few runs';
  if (low > 1 - ALIKE && high < 1 + ALIKE) return 'alike within 1 %';
  if (test.p >= SIGNIFICANT) return 'no significant difference';
  return delta < 0 ? 'less' : 'more';
}

/** The p of two series that do not overlap at all: with 3 against 3 runs it is 0.1, so nothing could ever be significant. */
function smallestP(first: number, second: number): number {
  let ways = 1;
  for (let i = 1; i <= first; i++) ways = (ways * (second + i)) / i;
  return 2 / ways;
}
