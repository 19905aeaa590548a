import { describeScenario } from './catalog.js';
import type { BenchResult, Cell, Environment } from './model.js';
import { formatFigure, type Metric } from './report/metrics.js';
import { describeDifference, type Row, type Section, tabulate } from './report/tabulate.js';

/** The closing table for a person: one row per peer and metric, then what differs and how sure that is. Ends with a newline. */
export function renderTable(result: BenchResult): string {
  const sections = tabulate(result);
  const width =
    Math.max(...result.cells.map(({ peer }) => peer.length), ...sections.map(({ metric }) => metric.title.length)) + 2;
  return [
    ...heading(result),
    ...sections.flatMap((section) => sectionLines(section, width)),
    ...exceptions(result),
    '',
  ].join('\n');
}

function heading({ cells, environment }: BenchResult): readonly string[] {
  const [first] = cells;
  if (first === undefined) return [describeEnvironment(environment), 'No peer of this scenario is here.'];
  const warmups = first.runs.filter(({ warmup }) => warmup).length;
  const counted = first.runs.length - warmups;
  return [
    `${first.scenario.name}: ${describeScenario(first.scenario)}`,
    `${counted} runs per peer after ${warmups} warm-up, interleaved, each in fresh processes; ${howVerified(first)}`,
    describeEnvironment(environment),
  ];
}

function howVerified({ scenario }: Cell): string {
  switch (scenario.group) {
    case 'version':
      return 'answers verified';
    case 'migrate':
      return 'the tree asked for the digest of its memory, and for lost writes, at its destination in every run';
    case 'container-migrate':
      return 'the container asked for the digest of its memory, and for lost writes, its runtime for its state, its files compared, at its destination in every run';
    case 'restore':
      return 'the restored tree asked for the digest of its memory in every run';
    case 'container':
      return 'the container asked for its digest after every run, and every byte of images compared with it';
    case 'directory':
      return 'every archive unpacked by GNU tar, its bytes verified';
    case 'decode':
      return 'the whole text verified in every run';
    case 'search':
      return 'every place verified in every run';
    default:
      return 'bytes verified in every run, restored once per peer';
  }
}

/** One line: machine, kernel, versions. */
export function describeEnvironment(environment: Environment): string {
  const { cpuModel, cores, memoryBytes, virtualization, kernel, nodeVersion, criuVersion, destinationFilesystem } =
    environment;
  const machine = `${cores} x ${cpuModel}, ${formatFigure(memoryBytes, 'bytes')}, ${virtualization}`;
  return `${machine}; Linux ${kernel}, Node ${nodeVersion}, CRIU ${criuVersion}; ${destinationFilesystem}`;
}

const COLUMNS = ['median', 'p95', 'min', 'max', 'IQR'] as const;
const CELL = 10;

function sectionLines({ metric, rows }: Section, width: number): readonly string[] {
  const header = COLUMNS.map((title) => title.padStart(CELL)).join('');
  const against = rows.some(({ difference }) => difference !== undefined) ? `  ratio to ${rows[0]?.peer}` : '';
  return ['', `${metric.title.padEnd(width)}${header}${against}`, ...rows.map((row) => rowLine(metric, row, width))];
}

function rowLine({ unit }: Metric, { peer, summary, difference }: Row, width: number): string {
  const { median, p95, min, max, iqr } = summary;
  const figures = [median, p95, min, max, iqr].map((value) => formatFigure(value, unit).padStart(CELL)).join('');
  const text = difference === undefined ? '' : `  ${describeDifference(difference)}`;
  return `${`  ${peer}`.padEnd(width)}${figures}${text}`;
}

function exceptions({ cells, absent }: BenchResult): readonly string[] {
  const failed = cells.flatMap(({ peer, failure }) => {
    if (failure === undefined) return [];
    return [
      `FAILED ${peer}, run ${failure.run + 1}: ${failure.reason}`,
      ...(failure.log ?? '')
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => `  ${line}`),
    ];
  });
  const left = absent.map(({ peer, reason }) => `left out: ${peer}: ${reason}`);
  return failed.length + left.length === 0 ? [] : ['', ...failed, ...left];
}
