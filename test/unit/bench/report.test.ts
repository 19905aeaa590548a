import { describe, expect, it } from 'vitest';
import type { BenchResult, Cell, Figures } from '../../../src/bench/model.js';
import { progressLine } from '../../../src/bench/progress.js';
import { renderHtml } from '../../../src/bench/report/html.js';
import { formatFigure } from '../../../src/bench/report/metrics.js';
import { niceStep, renderSvg } from '../../../src/bench/report/svg.js';
import { seriesOf, tabulate } from '../../../src/bench/report/tabulate.js';
import { chooseScenario } from '../../../src/bench/scenarios.js';
import { renderTable } from '../../../src/bench/table.js';

const scenario = chooseScenario({ scenario: 'dump', sizeBytes: 2 ** 26 });
const run = (index: number, figures: Figures, warmup = false) => ({
  index,
  warmup,
  startedAtMs: 100 * index,
  figures,
  verified: { kind: 'images' as const, pages: 1, digests: ['0'], restored: false },
});
const cell = (peer: string, frozen: readonly number[], extra: Partial<Cell> = {}): Cell => ({
  scenario,
  peer,
  peerTitle: `title of <${peer}>`,
  peerVersion: '4.2.1',
  runs: [run(0, { frozen: 9e9 }, true), ...frozen.map((us, index) => run(index, { frozen: us, wall: 2 * us }))],
  ...extra,
});
const result = (...cells: readonly Cell[]): BenchResult => ({
  format: 'frazil-bench/1',
  startedAt: '2026-01-01T00:00:00.000Z',
  seed: 1,
  environment: {
    frazilVersion: '0.1.0',
    kernel: '6.18',
    architecture: 'x64',
    cpuModel: 'Some CPU',
    cores: 2,
    memoryBytes: 2 ** 34,
    virtualization: 'none seen',
    transparentHugepages: 'madvise',
    nodeVersion: 'v20',
    criuVersion: '4.2.1',
    criuPath: '/criu',
    destinationPath: '/dev/shm',
    destinationFilesystem: 'tmpfs',
    loadAverage: 0,
  },
  cells,
  absent: [{ peer: 'frazil-library', reason: 'not built' }],
});

const slow = cell('criu', [551_000, 560_000, 555_000, 570_000, 549_000]);
const fast = cell('frazil', [262_000, 259_000, 270_000, 265_000, 261_000]);

describe('tabulate()', () => {
  it('leaves warm-up runs out of every series', () => {
    expect(seriesOf(slow, 'frozen')).toHaveLength(5);
    expect(tabulate(result(slow))[0]?.rows[0]?.summary.max).toBe(570_000);
  });

  it('has a section per metric that somebody has, compares with the first peer, and is the same every time', () => {
    const sections = tabulate(result(slow, fast));
    expect(sections.map(({ metric }) => metric.name)).toEqual(['frozen', 'wall']);
    expect(sections[0]?.rows[1]?.difference?.verdict).toBe('less');
    expect(tabulate(result(slow, fast))).toEqual(sections);
  });

  it('gives a failed cell no figures, however fast it was', () => {
    const wrong = cell('frazil', [1, 1, 1, 1], { failure: { run: 4, reason: 'WRONG BYTES' } });
    expect(tabulate(result(slow, wrong)).flatMap(({ rows }) => rows.map(({ peer }) => peer))).not.toContain('frazil');
  });
});

describe('renderTable()', () => {
  it('shows the verdict with its certainty', () => {
    expect(renderTable(result(slow, fast))).toContain('0.47 (0.46 to 0.49), p 0.008: less, large effect');
  });

  it('says that two alike series do not differ', () => {
    const again = cell('criu#2', [571_000, 540_000, 555_000, 550_000, 559_000]);
    expect(renderTable(result(slow, again))).toMatch(/p 0\.\d+: no significant difference/);
  });

  it('names failures loudly and absent peers', () => {
    const failed = cell('frazil', [], { failure: { run: 0, reason: 'WRONG BYTES: digest', log: 'Error (x)' } });
    const text = renderTable(result(slow, failed));
    expect(text).toContain('FAILED frazil, run 1: WRONG BYTES: digest\n  Error (x)');
    expect(text).toContain('left out: frazil-library: not built');
  });
});

describe('renderSvg() and renderHtml()', () => {
  it('draws a dot per counted run and nothing that is not a number', () => {
    const svg = renderSvg(result(slow, fast));
    expect(svg.match(/<circle/g)).toHaveLength(20);
    expect(svg).not.toMatch(/NaN|Infinity|undefined/);
  });

  it('are empty but whole without any peer', () => {
    expect(renderSvg(result())).toContain('</svg>');
    expect(renderHtml(result())).toContain('No peer of this scenario is here');
    expect(renderTable(result())).toContain('No peer of this scenario is here');
  });

  it('load nothing from anywhere and escape what they quote', () => {
    const html = renderHtml(result(slow, cell('frazil', [], { failure: { run: 0, reason: '<script>' } })));
    expect(html).not.toMatch(/<script|src=|href=|url\(/);
    expect(html).toContain('title of &#60;criu&#62;');
  });
});

describe('formatFigure() and niceStep()', () => {
  it.each([
    [0, 'us', '0 us'],
    [551_234, 'us', '551 ms'],
    [4_870, 'us', '4.87 ms'],
    [2 ** 26, 'bytes', '64 MiB'],
    [1.0737e9, 'bytes/s', '1.07 GB/s'],
  ] as const)('writes %d %s as %s', (value, unit, text) => expect(formatFigure(value, unit)).toBe(text));

  it.each([
    [0, 'us', 1],
    [13, 'us', 20],
    [21, 'us', 25],
    [300, 'bytes', 512],
  ] as const)('steps over %d %s by %d', (least, unit, step) => expect(niceStep(least, unit)).toBe(step));
});

describe('progressLine()', () => {
  it('counts over all peers', () => {
    const base = { kind: 'run', peer: 'criu', scenario: 'dump/plain', run: 2, runs: 5, planned: 12 } as const;
    expect(progressLine({ ...base, warmup: false, phase: 'measuring', finished: 3 })).toBe(
      '[3/12] dump/plain criu run 2/5 measuring',
    );
    expect(progressLine({ ...base, warmup: true, phase: 'done', finished: 4, detail: 'wall 1 s' })).toBe(
      '[4/12] dump/plain criu warm-up done: wall 1 s',
    );
  });
});
