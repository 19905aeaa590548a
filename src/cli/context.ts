// What a verb of the command line gets beside its arguments. Passed in, so that tests run verbs without a process of their own.

import type { Interruption } from './interruption.js';
import type { Preferences } from './parse/preferences.js';
import type { Terminal } from './terminal.js';

export interface Context {
  readonly terminal: Terminal;
  readonly preferences: Preferences;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly interruption: Interruption;
}
