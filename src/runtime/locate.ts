// Which runtime is the real one. The launcher (native/seat/launcher.cc) looks in the same places in the same order.

import { constants } from 'node:fs';
import { access, realpath, stat } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { ADDON } from '../addon/load.js';
import { frazilHome } from '../criu/locate.js';
import { CheckpointError } from '../errors/checkpoint-error.js';

export type Env = Readonly<Record<string, string | undefined>>;

export interface RuntimeSearch {
  /** Name of the program, when no path is given. */
  readonly name: string;
  /** A path that is taken as it is. */
  readonly path?: string | undefined;
  readonly env: Env;
}

const FALLBACK = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

/** A PATH to work with, also where an engine has cleared the environment: CRIU needs tar for every tmpfs. */
export function pathOf(env: Env): string {
  const { PATH } = env;
  return PATH === undefined || PATH === '' ? FALLBACK.join(delimiter) : PATH;
}

/** `path`, FRAZIL_RUNC for runc, the private prefix, PATH, the usual folders; never our own launcher. Throws RUNTIME_MISSING. */
export async function locateRuntime({ name, path, env }: RuntimeSearch): Promise<string> {
  const named = path ?? (name === 'runc' ? given(env['FRAZIL_RUNC']) : undefined);
  const folders = (env['PATH'] ?? '').split(delimiter).filter((folder) => folder.startsWith('/'));
  const prefix = join(frazilHome(env), 'runtimes/usr');
  const places = [join(prefix, 'sbin'), join(prefix, 'bin'), ...folders, ...FALLBACK].map((dir) => join(dir, name));
  const tried = named === undefined ? [...new Set(places)] : [named];
  const launcher = await realpath(join(dirname(ADDON), 'frazil-runc')).catch(() => undefined);
  for (const file of tried) if (await isProgram(file, launcher)) return file;
  const message = `Cannot find ${name}: ${named === undefined ? 'it is neither in the private prefix nor in PATH' : `"${named}" is not a program`}. Run scripts/setup, install ${name}, or set FRAZIL_RUNC`;
  throw new CheckpointError('RUNTIME_MISSING', message, { runtime: name, tried });
}

function given(value: string | undefined): string | undefined {
  return value === '' ? undefined : value;
}

async function isProgram(file: string, launcher: string | undefined): Promise<boolean> {
  try {
    await access(file, constants.X_OK);
    return (await stat(file)).isFile() && (await realpath(file)) !== launcher;
  } catch {
    // Absent, forbidden or dangling: all the same to a search.
    return false;
  }
}
