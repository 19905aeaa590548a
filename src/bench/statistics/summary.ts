/** What a series is reduced to for a table. The series itself stays in the JSON. */
export interface Summary {
  readonly count: number;
  readonly min: number;
  readonly median: number;
  readonly p95: number;
  readonly max: number;
  /** Distance between the quartiles. */
  readonly iqr: number;
  /** Median absolute deviation from the median, not scaled. */
  readonly mad: number;
}

/** Of an empty series there is no summary. */
export function summarize(values: readonly number[]): Summary | undefined {
  if (values.length === 0) return undefined;
  const sorted = toSorted(values);
  const median = quantile(sorted, 0.5);
  const deviations = toSorted(sorted.map((value) => Math.abs(value - median)));
  return {
    count: sorted.length,
    min: quantile(sorted, 0),
    median,
    p95: quantile(sorted, 0.95),
    max: quantile(sorted, 1),
    iqr: quantile(sorted, 0.75) - quantile(sorted, 0.25),
    mad: quantile(deviations, 0.5),
  };
}

/** Linear interpolation between the two nearest ranks (type 7 of Hyndman and Fan; R's and NumPy's default). `sorted` is ascending and not empty. */
export function quantile(sorted: readonly number[], share: number): number {
  const place = (sorted.length - 1) * share;
  const low = sorted[Math.floor(place)];
  const high = sorted[Math.ceil(place)];
  if (low === undefined || high === undefined) throw new RangeError('Cannot take a quantile of an empty series');
  return low + (high - low) * (place - Math.floor(place));
}

export function medianOf(values: readonly number[]): number {
  return quantile(toSorted(values), 0.5);
}

function toSorted(values: readonly number[]): number[] {
  return [...values].sort((a, b) => a - b);
}
