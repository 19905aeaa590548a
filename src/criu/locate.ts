// Which criu is used, and why. What a user named wins and is never silently replaced: a wrong path in the option or in
// FRAZIL_CRIU is an error, not a reason to take another CRIU that behaves differently.

import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { CheckpointError } from '../errors/checkpoint-error.js';
import { SBIN } from './find-program.js';

export interface Located {
  readonly path: string;
  readonly from: 'option' | 'environment' | 'prefix' | 'path';
  /** A sentence for reports: "found in PATH: /usr/sbin/criu". */
  readonly why: string;
}

export interface LocateOptions {
  readonly criu?: string | undefined;
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** Finds the CRIU to run: option, FRAZIL_CRIU, the private prefix, PATH with the sbin folders. Throws CRIU_MISSING. */
export async function locate({ criu, env = process.env }: LocateOptions = {}): Promise<Located> {
  const tried: string[] = [];
  for (const candidate of candidates(criu, env)) {
    tried.push(candidate.path);
    if (await isProgram(candidate.path)) return candidate;
    if (candidate.from === 'option' || candidate.from === 'environment') throw named(candidate);
  }
  throw new CheckpointError(
    'CRIU_MISSING',
    'Cannot find CRIU: it is neither in the private prefix nor in PATH. Run scripts/setup, install criu 4.2 or newer, or pass criu (--criu) or FRAZIL_CRIU',
    { tried },
  );
}

/** The folder that scripts/setup fills. */
export function frazilHome(env: Readonly<Record<string, string | undefined>> = process.env): string {
  const chosen = given(env['FRAZIL_HOME']);
  if (chosen !== undefined) return resolve(chosen);
  return join(given(env['XDG_CACHE_HOME']) ?? join(given(env['HOME']) ?? homedir(), '.cache'), 'frazil');
}

function* candidates(criu: string | undefined, env: NonNullable<LocateOptions['env']>): Generator<Located> {
  if (criu !== undefined) {
    const path = resolve(criu);
    yield { path, from: 'option', why: `chosen by the option criu: ${path}` };
  }
  const fromEnvironment = given(env['FRAZIL_CRIU']);
  if (fromEnvironment !== undefined) {
    const path = resolve(fromEnvironment);
    yield { path, from: 'environment', why: `chosen by FRAZIL_CRIU: ${path}` };
  }
  const prefix = join(frazilHome(env), 'criu/usr/sbin/criu');
  yield { path: prefix, from: 'prefix', why: `found in the private prefix that scripts/setup made: ${prefix}` };
  const folders = (env['PATH'] ?? '').split(delimiter).filter((folder) => folder.startsWith('/'));
  for (const folder of new Set([...folders, ...SBIN])) {
    const path = join(folder, 'criu');
    yield { path, from: 'path', why: `found in PATH: ${path}` };
  }
}

// An empty variable counts as absent, as in every shell tool.
function given(value: string | undefined): string | undefined {
  return value === '' ? undefined : value;
}

async function isProgram(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    // Absent, forbidden or dangling: all the same to a search.
    return false;
  }
}

function named({ path, from }: Located): CheckpointError<'CRIU_MISSING'> {
  const source = from === 'option' ? 'the option criu' : 'FRAZIL_CRIU';
  return new CheckpointError(
    'CRIU_MISSING',
    `Cannot find CRIU: ${source} names "${path}", which is not a program. Correct the path, or drop it to let Frazil search`,
    { tried: [path] },
  );
}
