// Debian's crit, which everything that Frazil says about images is compared with.

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { CRIT } from './criu-cli.js';
import { need } from './needs.js';

export interface CritRun {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export const critHere = need(
  "Debian's crit in the private prefix",
  !existsSync(CRIT) && `no ${CRIT}; run scripts/setup`,
);

const PREFIX = join(dirname(dirname(CRIT)), 'usr');
const DRIVER = fileURLToPath(new URL('./many-crits.py', import.meta.url));

/** Runs crit with each of the command lines, one after the other, in one process. */
export async function runCrit(lines: readonly (readonly string[])[]): Promise<readonly CritRun[]> {
  return JSON.parse(await inPython(DRIVER, JSON.stringify(lines))) as CritRun[];
}

/** Runs a script in crit's Python, where its modules can be imported. */
export async function inPython(script: string, input: string): Promise<string> {
  const env = {
    PYTHONHOME: PREFIX,
    PYTHONPATH: join(PREFIX, 'lib/python3/dist-packages'),
    PYTHONDONTWRITEBYTECODE: '1',
    PATH: process.env['PATH'],
  };
  const child = spawn(join(PREFIX, 'bin/python3'), ['-s', script], { env, stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.end(input);
  return text(child.stdout);
}
