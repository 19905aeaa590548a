// What every verb of ours does with its command line before it starts.

import type { CommonOptions, Operation } from '../../options/types.js';
import type { Context, Invocation } from '../context.js';
import { type Collected, collect, ValueError } from '../parse/collect.js';
import { UsageError } from '../usage-error.js';

/** collect(), with its complaints as a UsageError, and a word about every option that the verb has no use for. */
export function collected<O extends Operation>(
  operation: O,
  { command, settings }: Invocation,
  { terminal, preferences }: Context,
): Collected<O> {
  const { word } = command;
  if (preferences.session === 'libcriu')
    throw new UsageError(
      '--session libcriu: the command line needs swrk, which alone inherits fds and tells what CRIU prints',
      word,
    );
  const found = settling(word, () => collect(operation, settings));
  const captures = operation === 'dump' || operation === 'preDump';
  const idle = [
    ...found.idle,
    ...(preferences.absorb !== undefined && operation !== 'dump' ? ['--absorb'] : []),
    ...(preferences.as !== undefined && operation !== 'restore' ? ['--as-...'] : []),
    ...(preferences.sync && !captures ? ['--sync'] : []),
    ...(preferences.lazy && operation !== 'restore' ? ['--lazy'] : []),
    ...(preferences.small === undefined ? [] : ['--small']),
  ];
  if (!preferences.quiet) for (const written of idle) terminal.say(`frazil: ${written} has no effect on ${word}`);
  return found;
}

/** Misuse that `start` throws at once, such as a value that CRIU cannot take, is a mistake on the command line. */
export function settling<T>(word: string, start: () => T): T {
  try {
    return start();
  } catch (cause) {
    if (cause instanceof ValueError || cause instanceof TypeError || cause instanceof RangeError)
      throw new UsageError(cause.message, word, { cause });
    throw cause;
  }
}

/** What every verb of ours is called with: configuration files are read already. */
export interface Asked {
  readonly criu?: string;
  readonly signal: AbortSignal;
  readonly defaultConfig: false;
}

export function asked({ preferences: { criu }, interruption: { signal } }: Context): Asked {
  return { signal, defaultConfig: false, ...(criu === undefined ? {} : { criu }) };
}

/** From here on CRIU's log is what the user wants to see. */
const WHOLE_LOG = 3;
/** CRIU's debug level: a failure is explained from the log. */
const EXPLAINABLE = 4;

/** The level for CRIU: as given when the log is what was asked for; openLogFile() prints of a fuller one what was asked for. */
export function loggedAt<O extends Operation>({
  options,
  logPath,
}: Collected<O>): Required<Pick<CommonOptions, 'logLevel'>> {
  const { logLevel } = options as CommonOptions;
  const asGiven = logLevel !== undefined && (logPath !== undefined || logLevel >= WHOLE_LOG);
  return { logLevel: asGiven ? logLevel : EXPLAINABLE };
}
