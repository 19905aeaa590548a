// What a final dump would cost now. Pure: everything that depends on the machines, the link and the tree comes in, measured.

import type { DowntimeParts } from './source/options.js';

export interface DowntimeModel {
  /** Of the whole tree, which the destination fills. */
  readonly bytes: number;
  /** That a final dump looks at, whatever has changed: the whole tree where the kernel does not track writes. */
  readonly lookedAtBytes: number;
  /** What will have changed: see predictDirty(). */
  readonly dirtyBytes: number;
  readonly wireBytesPerSecond: number;
  /** How fast pages are looked at. */
  readonly dumpBytesPerSecond: number;
  /** How fast the destination fills memory. */
  readonly fillBytesPerSecond: number;
  readonly roundTripMs: number;
  /** Bytes on the wire per changed byte. */
  readonly wireRatio: number;
  /** See pace.ts: of either host. */
  readonly paceMs: { readonly here: number; readonly there: number };
  readonly tasks: number;
  /** How long reading the lists of all areas of the tree takes, which CRIU does, too: see shape.ts. */
  readonly areasMs: number;
  /** For how long CRIU has just stopped the tree for a pre-dump; absent where there are none. */
  readonly frozenMs: number | undefined;
}

export interface Prediction {
  readonly predictedDowntimeMs: number;
  readonly predictedDowntime: DowntimeParts;
  /** If nothing had changed. */
  readonly leastDowntimeMs: number;
}

const MS_PER_S = 1000;
// What CRIU and we do whatever the size, in times that CRIU takes to start there and then (pace.ts): once, and for each task (stopping it, its
// parasite and its image files; making it again). Of trees of 1, 8 and 24 tasks with four threads each, CRIU 4.2.
const FREEZE_PACES = { once: 1, task: 1 };
// Of what a task costs, until it stands still.
const STOP_SHARE = 0.3;
const FILES_PACES = 0.5;
// Of what a task costs in a dump.
const IMAGES_SHARE = 0.5;
const RESTORE_PACES = { once: 0.75, task: 2 };
// What CRIU takes for a page, in times that the sample of fill-rate.ts takes, whose memory is asked of the kernel 8 MiB at a time.
const FILL_SHARE = 0.65;
const RESUME_PACES = 1;

/** What was dirtied since the last iteration read its pages must travel; everything is filled. */
export function predictDowntime(model: DowntimeModel): Prediction {
  const { bytes, lookedAtBytes, dirtyBytes, wireBytesPerSecond, dumpBytesPerSecond, wireRatio, paceMs, tasks } = model;
  const lookMs = (lookedBytes: number): number => (lookedBytes / dumpBytesPerSecond) * MS_PER_S;
  const transferMs = ((dirtyBytes * wireRatio) / wireBytesPerSecond) * MS_PER_S;
  const dumpMs = lookMs(lookedAtBytes + dirtyBytes);
  const stopMs = STOP_SHARE * FREEZE_PACES.task * tasks * paceMs.here;
  const fixed = {
    freeze: stopMs,
    dump: frozenDumpMs(model) - stopMs,
    transfer: FILES_PACES * paceMs.here,
    // The files and `restore` arrive, `prepared` comes back.
    restore:
      (RESTORE_PACES.once + RESTORE_PACES.task * tasks) * paceMs.there +
      model.roundTripMs +
      FILL_SHARE * (bytes / model.fillBytesPerSecond) * MS_PER_S,
    // `go` arrives.
    resume: RESUME_PACES * paceMs.there + model.roundTripMs / 2,
  };
  const predictedDowntime = {
    ...fixed,
    dump: fixed.dump + dumpMs,
    // CRIU dumps and we send at the same time: what the link is slower by comes on top.
    transfer: fixed.transfer + Math.max(0, transferMs - dumpMs),
  };
  return {
    predictedDowntimeMs: sum(predictedDowntime),
    predictedDowntime,
    leastDowntimeMs: sum(fixed) + lookMs(lookedAtBytes),
  };
}

// A pre-dump has stopped all tasks, read their lists and put its parasite into each; the rest of a dump is their images.
function frozenDumpMs({ tasks, paceMs, areasMs, frozenMs }: DowntimeModel): number {
  if (frozenMs === undefined) return (FREEZE_PACES.once + FREEZE_PACES.task * tasks) * paceMs.here + areasMs;
  return frozenMs + (FREEZE_PACES.once + IMAGES_SHARE * FREEZE_PACES.task * tasks) * paceMs.here;
}

function sum({ freeze, dump, transfer, restore, resume }: DowntimeParts): number {
  return freeze + dump + transfer + restore + resume;
}

/** What had changed after so long. */
export interface Dirtied {
  readonly changedBytes: number;
  readonly sinceMs: number;
}

// Two times must differ by so much to say how what is dirty grows with time.
const TELLING = 1.3;
/** Where nothing is known of it: between a tree that writes ever other pages (1) and one that writes the same ones again and again (0). */
const GROWTH = 0.5;

/** What will have changed after `ms`: what is dirty grows with a power of the time, at most as the time itself. */
export function predictDirty(last: Dirtied, before: Dirtied | undefined, ms: number): number {
  if (last.changedBytes === 0 || last.sinceMs <= 0 || ms <= 0) return 0;
  return last.changedBytes * (ms / last.sinceMs) ** growth(last, before);
}

function growth(last: Dirtied, before: Dirtied | undefined): number {
  if (before === undefined || before.changedBytes === 0 || before.sinceMs <= 0) return GROWTH;
  const longer = last.sinceMs / before.sinceMs;
  if (Math.max(longer, 1 / longer) < TELLING) return GROWTH;
  return Math.min(1, Math.max(0, Math.log(last.changedBytes / before.changedBytes) / Math.log(longer)));
}
