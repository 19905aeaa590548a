// What migrate takes of the options of a dump.

import type { MigrateOptions } from '../../migrate/source/options.js';
import { collect, ValueError } from '../parse/collect.js';
import type { Settings } from '../parse/settings.js';
import { UsageError } from '../usage-error.js';

export interface Dumped {
  readonly tree: number | undefined;
  readonly dump: NonNullable<MigrateOptions['dump']>;
}

/** The options of a dump mean here what they mean there. */
export function dumped(settings: Settings): Dumped {
  try {
    const found = collect('dump', settings);
    const { workDir, logFile, logLevel, leaveRunning, leaveStopped, parent, autoDedup, trackMem, ...dump } =
      found.options;
    const refused = { workDir, leaveRunning, leaveStopped, parent, autoDedup, trackMem };
    const odd = Object.entries(refused).find(([, value]) => value !== undefined);
    if (odd !== undefined)
      throw new UsageError(`migrate does not take ${odd[0]}: it decides about that itself`, 'migrate');
    return { tree: found.arguments.tree, dump };
  } catch (cause) {
    throw cause instanceof ValueError ? new UsageError(cause.message, 'migrate', { cause }) : cause;
  }
}
