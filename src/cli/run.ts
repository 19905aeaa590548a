// From arguments to an exit status. Modules of a verb are loaded when that verb was asked for, so that `frazil --version` and a
// mistake in the arguments cost nothing.

import { CheckpointError } from '../errors/checkpoint-error.js';
import type { Context } from './context.js';
import { EXIT, exitCodeOf } from './exit-code.js';
import { interruptible, type SignalSource } from './interruption.js';
import { type CommandLine, parseCommandLine } from './parse/command-line.js';
import { type Preferences, preferences } from './parse/preferences.js';
import { failureJson, failureLines } from './print/failure.js';
import { type Streams, Terminal } from './terminal.js';
import { UsageError } from './usage-error.js';

export interface Host extends Streams, SignalSource {
  readonly env: Readonly<Record<string, string | undefined>>;
}

/**
 * Does what `argv` (without node and script) says. Never rejects. `nonblocking`: which of the standard fds were so before anything
 * touched them.
 */
export async function run(argv: readonly string[], host: Host, nonblocking: readonly number[] = []): Promise<number> {
  const terminal = new Terminal(host);
  // Asked before anything is parsed, so that also a mistake is answered in the form that a program expects.
  const json = argv.includes('--json');
  try {
    return await perform(parseCommandLine(argv), { host, terminal, nonblocking });
  } catch (error) {
    return report(error, terminal, json);
  }
}

interface Place {
  readonly host: Host;
  readonly terminal: Terminal;
  readonly nonblocking: readonly number[];
}

async function perform(line: CommandLine, place: Place): Promise<number> {
  const { host, terminal } = place;
  switch (line.kind) {
    case 'wrong':
      throw new UsageError(line.message, line.topic);
    case 'help': {
      const { showHelp } = await import('./help/help.js');
      return showHelp(line, terminal);
    }
    case 'version': {
      const { showVersion } = await import('./verbs/version.js');
      return showVersion(preferencesOf(line.own), terminal, host.env);
    }
    case 'runtime': {
      const { runRunc } = await import('./verbs/runc.js');
      return runRunc(line.args, contextOf(place, preferencesOf([])));
    }
    case 'own': {
      const { runOwn } = await import('./verbs/own.js');
      return runOwn(line, contextOf(place, preferencesOf(line.occurrences)));
    }
    default: {
      const { runCriu } = await import('./verbs/criu.js');
      return runCriu(line, contextOf(place, preferencesOf(line.own)));
    }
  }
}

function preferencesOf(own: Parameters<typeof preferences>[0]): Preferences {
  try {
    return preferences(own);
  } catch (cause) {
    throw cause instanceof RangeError ? new UsageError(cause.message) : cause;
  }
}

function contextOf({ host, terminal, nonblocking }: Place, chosen: Preferences): Context {
  return { terminal, preferences: chosen, env: host.env, interruption: interruptible(host, terminal), nonblocking };
}

function report(error: unknown, terminal: Terminal, json: boolean): number {
  if (error instanceof UsageError) {
    terminal.say(`frazil: ${error.message}`);
    terminal.say(`Try "frazil help${error.topic === undefined ? '' : ` ${error.topic}`}"`);
    if (json) terminal.printJson({ code: 'USAGE', message: error.message, detail: {} });
    return EXIT.usage;
  }
  if (CheckpointError.is(error)) {
    for (const text of failureLines(error)) terminal.say(text);
    if (json) terminal.printJson(failureJson(error));
    return exitCodeOf(error.code);
  }
  // A mistake of ours: the stack is what a report needs.
  terminal.say(`frazil: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  if (json) terminal.printJson({ code: 'INTERNAL', message: String(error), detail: {} });
  return EXIT.failed;
}
