// The closing lines of verbs.

import type { CaptureReport, CheckpointReport } from '../../criu/dump.js';
import { bytes, count, micros, millis } from './units.js';

const LATER = { killed: 'and killed it', running: 'and left it running', stopped: 'and left it stopped' } as const;

export function captureSummary(
  verb: 'Dumped' | 'Pre-dumped',
  report: CaptureReport,
  later: keyof typeof LATER,
): string {
  const { pid, imagesDir, bytesWritten, pagesWritten, zeroPages, frozenTimeUs, freezingTimeUs, wallMs } = report;
  const skipped = report.pagesSkippedParent > 0 ? `, ${count(report.pagesSkippedParent)} in the parent` : '';
  return (
    `${verb} process ${pid} to ${imagesDir} ${LATER[later]}: ${bytes(bytesWritten)} written ` +
    `(${count(pagesWritten)} pages, ${count(zeroPages)} of them zero${skipped}), ` +
    `frozen ${micros(frozenTimeUs)} after ${micros(freezingTimeUs)} of freezing, ${millis(wallMs)} in all`
  );
}

export function checkpointSummary(report: CheckpointReport, later: keyof typeof LATER): string {
  const { pid, archive, archiveBytes, bytesReceived, pagesWritten, zeroPages } = report;
  const { frozenTimeUs, freezingTimeUs, wallMs } = report;
  return (
    `Checkpointed process ${pid} to ${archive} ${LATER[later]}: ${bytes(archiveBytes)} for ${bytes(bytesReceived)} of memory ` +
    `(${count(pagesWritten)} pages, ${count(zeroPages)} of them zero), ` +
    `frozen ${micros(frozenTimeUs)} after ${micros(freezingTimeUs)} of freezing, ${millis(wallMs)} in all`
  );
}
