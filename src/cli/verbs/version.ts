// CRIU's own line first, so that a script that looks for "Version: " in the output of `criu --version` finds it.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { type Located, locate } from '../../criu/locate.js';
import { CheckpointError } from '../../errors/checkpoint-error.js';
import { EXIT } from '../exit-code.js';
import type { Preferences } from '../parse/preferences.js';
import type { Terminal } from '../terminal.js';

const PACKAGE = new URL('../../../package.json', import.meta.url);

/** Prints the versions of CRIU and of Frazil; a CRIU that is missing is no failure here. */
export async function showVersion(
  { criu, json }: Preferences,
  terminal: Terminal,
  env: Readonly<Record<string, string | undefined>>,
): Promise<number> {
  const frazil = ownVersion();
  const found = await criuVersion(criu, env);
  if (json) {
    terminal.printJson({ frazil, node: process.version, ...(found === undefined ? {} : { criu: found }) });
    return EXIT.done;
  }
  if (found !== undefined) terminal.print(`Version: ${found.version}`);
  terminal.print(`Frazil: ${frazil}${found === undefined ? ' (no CRIU found)' : ` over ${found.path}`}`);
  return EXIT.done;
}

function ownVersion(): string {
  const parsed: unknown = JSON.parse(readFileSync(PACKAGE, 'utf8'));
  const hasVersion = typeof parsed === 'object' && parsed !== null && 'version' in parsed;
  return hasVersion ? String(parsed.version) : 'unknown';
}

async function criuVersion(
  criu: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
): Promise<(Located & { readonly version: string }) | undefined> {
  try {
    const located = await locate({ criu, env });
    const said = execFileSync(located.path, ['--version'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    return { ...located, version: /^Version: (.*)$/m.exec(said)?.[1] ?? 'unknown' };
  } catch (error) {
    // One that was named and is not there is a mistake; one that was only searched for is not.
    if (CheckpointError.is(error) && criu !== undefined) throw error;
    return undefined;
  }
}
