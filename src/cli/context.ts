// What a verb of the command line gets beside its arguments. Passed in, so that tests run verbs without a process of their own.

import type { Interruption } from './interruption.js';
import type { CriuCommand } from './parse/command-line.js';
import type { Preferences } from './parse/preferences.js';
import type { Settings } from './parse/settings.js';
import type { Terminal } from './terminal.js';

export interface Context {
  readonly terminal: Terminal;
  readonly preferences: Preferences;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly interruption: Interruption;
  /** Which of the standard fds were non-blocking when we started. */
  readonly nonblocking: readonly number[];
}

/** A command of CRIU's with all that configuration files add to it. */
export interface Invocation {
  readonly command: CriuCommand;
  readonly settings: Settings;
}

/** A command that CRIU does not have. */
export interface OwnInvocation {
  readonly settings: Settings;
  readonly operands: readonly string[];
}
