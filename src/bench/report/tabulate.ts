/** A result reduced to rows: what the text table, the plot and the HTML report all show. Pure: the same result gives the same rows. */
import type { BenchResult, Cell } from '../model.js';
import { compare, type Difference } from '../statistics/compare.js';
import { seededRandom } from '../statistics/random.js';
import { type Summary, summarize } from '../statistics/summary.js';
import { METRICS, type Metric } from './metrics.js';

export interface Row {
  readonly peer: string;
  readonly values: readonly number[];
  readonly summary: Summary;
  /** Against the first row of the section; absent in that row, and where there is no ratio. */
  readonly difference?: Difference;
}

export interface Section {
  readonly metric: Metric;
  readonly rows: readonly Row[];
}

/** One section per metric that at least one peer has, in the order of the metrics' table. Failed cells have no rows. */
export function tabulate({ cells, seed }: BenchResult): readonly Section[] {
  const random = seededRandom(seed);
  const whole = cells.filter(({ failure }) => failure === undefined);
  return METRICS.map((metric) => ({ metric, rows: rowsOf(metric, whole, random) })).filter(
    ({ rows }) => rows.length > 0,
  );
}

/** The counted runs' figures of one metric, in the order they were measured. */
export function seriesOf({ runs }: Cell, metric: Metric['name']): readonly number[] {
  return runs.filter(({ warmup }) => !warmup).flatMap(({ figures }) => figures[metric] ?? []);
}

function rowsOf({ name }: Metric, cells: readonly Cell[], random: () => number): readonly Row[] {
  const [baseline] = cells;
  const base = baseline === undefined ? [] : seriesOf(baseline, name);
  return cells.flatMap((cell) => {
    const values = seriesOf(cell, name);
    const summary = summarize(values);
    if (summary === undefined) return [];
    const difference = cell === baseline ? undefined : compare(base, values, random);
    return [{ peer: cell.peer, values, summary, ...(difference === undefined ? {} : { difference }) }];
  });
}

/** `0.48 (0.46 to 0.51), p 0.008: less` */
export function describeDifference({ ratio, low, high, test, effect, verdict }: Difference): string {
  const interval = `${ratio.toFixed(2)} (${low.toFixed(2)} to ${high.toFixed(2)})`;
  const size = verdict === 'less' || verdict === 'more' ? `, ${effect.size} effect` : '';
  return `${interval}, p ${formatP(test.p)}: ${verdict}${size}`;
}

function formatP(p: number): string {
  return p < 0.001 ? '< 0.001' : p.toFixed(p < 0.1 ? 3 : 2);
}
