/**
 * The plot: one panel per metric, one row per peer, a dot per run, a bar at the median. Dots and not bars, because five runs are five facts and
 * their spread is half of the message. Axes begin at zero. Readable on light and dark: colours follow the reader's scheme.
 */
import { describeScenario } from '../catalog.js';
import type { BenchResult, Unit } from '../model.js';
import { describeEnvironment } from '../table.js';
import { formatFigure } from './metrics.js';
import { type Row, type Section, tabulate } from './tabulate.js';

const WIDTH = 820;
const LEFT = 190;
const RIGHT = 100;
const TOP = 64;
const ROW = 26;
const PANEL = 62; // title above and axis below the rows
const PLOT = WIDTH - LEFT - RIGHT;
const TICKS = 5;

// Okabe and Ito's colours, told apart with every kind of colour vision, on white and on black.
const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9'];

const STYLE = `.fb{font:12px system-ui,sans-serif;fill:#222}.fb .t{font-weight:600;font-size:14px}.fb .a{fill:#666}.fb .g{stroke:#8884;stroke-width:1}
.fb .m{stroke:#222;stroke-width:2}@media(prefers-color-scheme:dark){.fb{fill:#ddd}.fb .a{fill:#aaa}.fb .m{stroke:#ddd}}`;

/** A self-contained SVG document. */
export function renderSvg(result: BenchResult): string {
  const sections = tabulate(result);
  const tops = runningTops(sections);
  const height = (tops.at(-1) ?? TOP) + 8;
  const [first] = result.cells;
  const title = first === undefined ? 'no peers' : `${first.scenario.name}: ${describeScenario(first.scenario)}`;
  const colours = new Map(result.cells.map(({ peer }, i) => [peer, COLOURS[i % COLOURS.length] ?? '#888']));
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" class="fb" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="${escapeText(title)}">`,
    `<style>${STYLE}</style>`,
    `<text class="t" x="12" y="22">${escapeText(title)}</text>`,
    `<text class="a" x="12" y="42">${escapeText(describeEnvironment(result.environment))}</text>`,
    ...sections.map((section, i) => panel(section, tops[i] ?? TOP, colours)),
    '</svg>',
    '',
  ].join('\n');
}

/** Where each panel begins, and last where all end. */
function runningTops(sections: readonly Section[]): readonly number[] {
  const tops = [TOP];
  for (const { rows } of sections) tops.push((tops.at(-1) ?? TOP) + PANEL + rows.length * ROW);
  return tops;
}

function panel({ metric, rows }: Section, top: number, colours: ReadonlyMap<string, string>): string {
  const step = niceStep(Math.max(...rows.map(({ summary }) => summary.max)) / TICKS, metric.unit);
  const ticks = Array.from({ length: TICKS + 1 }, (_, i) => i * step);
  const scale = (value: number): number => LEFT + (value / (step * TICKS)) * PLOT;
  const bottom = top + 28 + rows.length * ROW;
  return [
    `<text class="t" x="12" y="${top + 16}">${escapeText(metric.title)} <tspan class="a" font-weight="400">(${metric.better} is better)</tspan></text>`,
    ...ticks.map((tick) => {
      const x = fixed(scale(tick));
      return `<path class="g" d="M${x} ${top + 24}V${bottom}"/><text class="a" x="${x}" y="${bottom + 15}" text-anchor="middle">${formatFigure(tick, metric.unit)}</text>`;
    }),
    ...rows.map((row, i) =>
      dots(row, { y: top + 28 + i * ROW + ROW / 2, scale, unit: metric.unit, colour: colours.get(row.peer) ?? '#888' }),
    ),
  ].join('\n');
}

interface Line {
  readonly y: number;
  readonly scale: (value: number) => number;
  readonly unit: Unit;
  readonly colour: string;
}

function dots({ peer, values, summary }: Row, { y, scale, unit, colour }: Line): string {
  const x = fixed(scale(summary.median));
  return [
    `<text x="${LEFT - 10}" y="${y + 4}" text-anchor="end">${escapeText(peer)}</text>`,
    ...values.map(
      (value) =>
        `<circle cx="${fixed(scale(value))}" cy="${y}" r="4.5" fill="${colour}" fill-opacity="0.55"><title>${formatFigure(value, unit)}</title></circle>`,
    ),
    `<path class="m" d="M${x} ${y - 9}V${y + 9}"/>`,
    `<text x="${WIDTH - RIGHT + 12}" y="${y + 4}">${formatFigure(summary.median, unit)}</text>`,
  ].join('');
}

const STEPS = [1, 2, 2.5, 5, 10];

/** The least round number that is not below; round in the unit's own base, so that bytes get 256 MiB and not 200. */
export function niceStep(least: number, unit: Unit): number {
  if (!(least > 0)) return 1;
  if (unit === 'bytes') return 2 ** Math.ceil(Math.log2(least));
  const power = 10 ** Math.floor(Math.log10(least));
  return (STEPS.find((step) => step * power >= least) ?? 10) * power;
}

function fixed(value: number): string {
  return value.toFixed(1);
}

/** For text and attribute values alike. */
export function escapeText(text: string): string {
  return text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}
