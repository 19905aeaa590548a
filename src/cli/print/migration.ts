// A migration in lines: a row with a bar for each iteration, the state between them, the summary at the end. Pure.

import type { IterationReport, MigrateProgress, MigrateReport } from '../../migrate/source/options.js';
import { bytes, millis } from './units.js';

const BAR_CELLS = 20;

/** The bar is the share of the tree that had changed. */
export function iterationLine(iteration: IterationReport): string {
  const { number, changedBytes, wireBytes, ms, dirtyBytesPerSecond, wireBytesPerSecond, predictedDowntimeMs } =
    iteration;
  const share = iteration.bytes === 0 ? 0 : changedBytes / iteration.bytes;
  const full = Math.min(BAR_CELLS, Math.round(share * BAR_CELLS));
  const slowed = iteration.throttle === 0 ? '' : `, slowed down by ${Math.round(iteration.throttle * 100)} %`;
  const dirty = dirtyBytesPerSecond === undefined ? '' : `, dirtied ${bytes(dirtyBytesPerSecond)}/s`;
  return [
    `${String(number).padStart(3)} [${'#'.repeat(full)}${'.'.repeat(BAR_CELLS - full)}]`,
    `${bytes(changedBytes)} of ${bytes(iteration.bytes)} changed, ${bytes(wireBytes)} sent in ${millis(ms)}`,
    `(${bytes(wireBytesPerSecond)}/s${dirty}${slowed}); predicted downtime ${millis(predictedDowntimeMs)}`,
  ].join(' ');
}

export function stateLine(progress: Exclude<MigrateProgress, { phase: 'iterating' }>): string {
  const { phase, elapsedMs } = progress;
  if (phase === 'filling')
    return `${millis(elapsedMs)}: it runs there and gets its pages: ${bytes(progress.bytes)} of ${bytes(progress.totalBytes)}`;
  const what = {
    connecting: 'connecting',
    final: 'final dump: the tree is frozen',
    restoring: 'the destination restores',
    committing: 'the destination lets it run',
    undecided: 'the connection is lost, and only the destination knows where the tree runs: asking',
  }[phase];
  return `${millis(elapsedMs)}: ${what}`;
}

export function migratedLines(report: MigrateReport): readonly string[] {
  const { pid, mode, iterations, wireBytes, totalMs, downtimeMs, predictedDowntimeMs, downtime } = report;
  const sent = `${bytes(wireBytes)} sent in ${iterations.length} levels and ${millis(totalMs)}`;
  if (mode === 'dry-run')
    return [`Dry run: process ${pid} runs on here. ${sent}; predicted downtime ${millis(predictedDowntimeMs)}`];
  const { fill } = report;
  const left =
    fill === undefined
      ? []
      : [
          `${bytes(fill.leftBytes)} were left behind, and followed within ${millis(fill.ms)} (${fill.requests} requests)`,
        ];
  const parts = Object.entries(downtime ?? {}).map(([name, ms]) => `${name} ${millis(ms)}`);
  return [
    `Migrated: it runs there as process ${pid}. ${sent}`,
    `Downtime ${millis(downtimeMs ?? 0)} (${parts.join(', ')})${predicted(report)}`,
    ...left,
  ];
}

function predicted({ predictionError, predictedDowntimeMs }: MigrateReport): string {
  return predictionError === undefined ? '' : `; predicted ${millis(predictedDowntimeMs)}`;
}
