// The configuration files that CRIU would read, in its order: what comes later wins, and the command line comes last. Over RPC the
// order is another one (a file wins over the request), so the verbs get the sum and CRIU is started without its default files.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { configArguments } from './parse/config-file.js';
import { getopt, type Occurrence } from './parse/getopt.js';
import { CRIU_OPTIONS } from './parse/grammar.js';
import { lastValue, type Settings } from './parse/settings.js';

const GLOBAL_FILE = '/etc/criu/default.conf';
const USER_FILE = '.criu/default.conf';

/** A configuration file that CRIU would refuse. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

export interface Configured {
  /** To be put before the occurrences of the command line. */
  readonly occurrences: readonly Occurrence[];
  /** Files that the user named and that cannot be read. CRIU takes them for empty ones, without a word. */
  readonly unreadable: readonly string[];
}

/** What the files say. Throws ConfigError. */
export async function readConfiguration(
  settings: Settings,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Configured> {
  const occurrences: Occurrence[] = [];
  const unreadable: string[] = [];
  for (const { path, named } of files(settings, env)) {
    const text = await textOf(path);
    if (text === undefined && named) unreadable.push(path);
    occurrences.push(...statements(path, text ?? ''));
  }
  return { occurrences, unreadable };
}

interface Source {
  readonly path: string;
  readonly named: boolean;
}

function files(settings: Settings, env: Readonly<Record<string, string | undefined>>): readonly Source[] {
  const named = lastValue(settings, 'config');
  const home = env['HOME'];
  const defaults = [GLOBAL_FILE, ...(home === undefined ? [] : [join(home, USER_FILE)])];
  return [
    ...(named === undefined && !settings.has('no-default-config') ? defaults : []).map((path) => ({
      path,
      named: false,
    })),
    ...[env['CRIU_CONFIG_FILE'], named].flatMap((path) => (path === undefined ? [] : [{ path, named: true }])),
  ];
}

async function textOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch {
    // Absent is the normal case for the default files.
    return undefined;
  }
}

function statements(path: string, text: string): readonly Occurrence[] {
  const { occurrences, error } = getopt(configArguments(text), { long: CRIU_OPTIONS });
  if (error === undefined) return occurrences;
  throw new ConfigError(`Cannot use the configuration file ${path}: "${error.written}" is wrong in it (${error.kind})`);
}
