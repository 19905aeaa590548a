// A migration whose source is in another network namespace.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import type { MigrateOptions, MigrateReport } from '../../src/migrate/source/options.js';
import type { ContainerMigrateOptions } from '../../src/runtime/moved/migrate.js';

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const PROGRAM = [process.execPath, '--import', here('ts-hooks.mjs'), here('migrate-program.ts')];

export type Asked =
  | { readonly pid: number; readonly options: MigrateOptions }
  | { readonly container: string; readonly options: ContainerMigrateOptions };

/** In the network namespace of task `network`; resolves with the report, if there is one. */
export async function migrateFrom(
  network: number,
  asked: Asked,
  env: NodeJS.ProcessEnv = process.env,
): Promise<MigrateReport | undefined> {
  const child = spawn('nsenter', ['-t', String(network), '-n', ...PROGRAM, JSON.stringify(asked)], {
    stdio: ['ignore', 'pipe', 'ignore'],
    env,
  });
  const [said] = await Promise.all([text(child.stdout), once(child, 'exit')]);
  return said === '' ? undefined : JSON.parse(said);
}
