import type { Random } from './random.js';
import { medianOf, quantile } from './summary.js';

/** Ratio of medians, second over first, with a 95 % percentile interval. */
export interface Ratio {
  readonly ratio: number;
  readonly low: number;
  readonly high: number;
}

// The ends of a 95 % interval move by less than 1 % of its width between 2,000 draws and 20,000.
const DRAWS = 2000;

/** Undefined when a series is empty or the median of the first is not positive: then there is no ratio. */
export function ratioOfMedians(first: readonly number[], second: readonly number[], random: Random): Ratio | undefined {
  if (first.length === 0 || second.length === 0 || medianOf(first) <= 0) return undefined;
  const drawn: number[] = [];
  for (let i = 0; i < DRAWS; i++) {
    const base = medianOf(resample(first, random));
    if (base > 0) drawn.push(medianOf(resample(second, random)) / base);
  }
  drawn.sort((a, b) => a - b);
  return { ratio: medianOf(second) / medianOf(first), low: quantile(drawn, 0.025), high: quantile(drawn, 0.975) };
}

function resample(values: readonly number[], random: Random): number[] {
  return values.map(() => values[Math.floor(random() * values.length)] ?? 0);
}
