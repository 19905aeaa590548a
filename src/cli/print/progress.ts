// One line of progress: phase, bytes, share, rate, time left. Pure; the caller decides when and where to draw it.

import { bytes, counted, millis } from './units.js';

/** What every verb's snapshots have in common, as far as they have it. */
export interface Snapshot {
  readonly phase: string;
  readonly bytes?: number;
  /** An estimate: more may come. */
  readonly totalBytes?: number;
  readonly bytesPerSecond?: number;
  /** Of a lazy restore, so far. */
  readonly faults?: number;
}

const BAR_CELLS = 20;
const MS_PER_S = 1000;

export function progressLine({ phase, bytes: done, totalBytes, bytesPerSecond, faults }: Snapshot): string {
  if (done === undefined) return phase;
  const share = totalBytes === undefined || totalBytes === 0 ? undefined : Math.min(1, done / totalBytes);
  // With the faults in it there is no room for the bar on a terminal of 80 columns.
  const shown = (of: number): string => (faults === undefined ? `${bar(of)} ${percent(of)}` : percent(of).trimStart());
  const parts = [
    share === undefined ? bytes(done) : `${shown(share)} ${bytes(done)} of ${bytes(totalBytes ?? 0)}`,
    ...(bytesPerSecond === undefined ? [] : [`${bytes(bytesPerSecond)}/s`]),
    ...(faults === undefined ? [] : [counted(faults, 'fault')]),
    ...timeLeft(done, totalBytes, bytesPerSecond),
  ];
  return `${phase}: ${parts.join(', ')}`;
}

function bar(share: number): string {
  const full = Math.round(share * BAR_CELLS);
  return `[${'#'.repeat(full)}${'.'.repeat(BAR_CELLS - full)}]`;
}

function percent(share: number): string {
  return `${Math.floor(share * 100)} %`.padStart(5);
}

function timeLeft(done: number, total: number | undefined, rate: number | undefined): readonly string[] {
  if (total === undefined || rate === undefined || rate <= 0 || done >= total) return [];
  return [`${millis(((total - done) / rate) * MS_PER_S)} left`];
}
