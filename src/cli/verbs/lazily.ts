// What --lazy adds to the restore of the command line.

import { resolve } from 'node:path';
import type { FillReport, LazyOptions } from '../../criu/restore.js';
import type { Tree } from '../../criu/tree.js';
import type { Context } from '../context.js';
import { follow } from '../follow.js';
import type { LazyPreferences } from '../parse/preferences.js';
import { bytes, count, micros, millis } from '../print/units.js';
import { UsageError } from '../usage-error.js';

/** Paths are about the directory that the command was given in. */
export function lazyCall(preferences: LazyPreferences): { readonly lazy?: LazyOptions } {
  const { lazy, record, replay, bytesPerSecond } = preferences;
  if (!lazy) {
    const idle = record !== undefined ? '--record' : replay !== undefined ? '--replay' : undefined;
    const needing = idle ?? (bytesPerSecond === undefined ? undefined : '--fill-rate');
    if (needing !== undefined) throw new UsageError(`${needing} is about a lazy restore: give --lazy too`, 'restore');
    return {};
  }
  return {
    lazy: {
      ...(record === undefined ? {} : { record: resolve(record) }),
      ...(replay === undefined ? {} : { replay: resolve(replay) }),
      ...(bytesPerSecond === undefined ? {} : { bytesPerSecond }),
    },
  };
}

/**
 * Shows the fill to its end. A Ctrl-C leaves it to itself, as the server does not need us: then there is no report. Rejects when the
 * tree had to be killed.
 */
export async function watchFill({ filling, pid }: Tree, context: Context): Promise<FillReport | undefined> {
  if (filling === undefined) return undefined;
  const { terminal, preferences, interruption } = context;
  let restoreSignals = (): void => {};
  const left = new Promise<undefined>((leave) => {
    restoreSignals = interruption.divert(() => {
      terminal.say(`frazil: process ${pid} runs on, and its memory is filled without us`);
      leave(undefined);
    });
  });
  try {
    const report = await Promise.race([follow(filling, context), left]);
    if (report !== undefined && !preferences.json && !preferences.quiet) terminal.say(summary(pid, report));
    return report;
  } finally {
    restoreSignals();
  }
}

function summary(
  pid: number,
  { firstInstructionMs, filledMs, faults, faultLatencyUs, bytes: filled }: FillReport,
): string {
  const { p50, p99, max } = faultLatencyUs;
  const waits = faults === 0 ? '' : `: p50 ${micros(p50)}, p99 ${micros(p99)}, at most ${micros(max)}`;
  return (
    `Process ${pid} ran after ${millis(firstInstructionMs)} and has all of its memory after ${millis(filledMs)}: ` +
    `${bytes(filled.copied)} copied, ${bytes(filled.zero)} zero, ${count(faults)} faults${waits}`
  );
}
