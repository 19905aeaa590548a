// Folders of the moment: gone when they are disposed of, and by the next when their process was killed.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, expect, it, vi } from 'vitest';
import { openScratch } from '../../../src/images/scratch.js';
import { tempDir } from '../../helpers/temp-dir.js';
import { buildCli } from '../cli/programs.js';

const SCRATCH = join(import.meta.dirname, '../../../dist/images/scratch.js');

beforeAll(buildCli, 120_000);

afterEach(() => {
  vi.unstubAllEnvs();
});

function age(path: string): void {
  const old = new Date(Date.now() - 3_600_000);
  utimesSync(path, old, old);
}

it('is private, and gone with what is in it', async () => {
  await using dir = tempDir();
  vi.stubEnv('TMPDIR', dir.path);
  {
    await using scratch = await openScratch('test');
    expect(statSync(scratch.path).mode & 0o777).toBe(0o700);
    expect(scratch.path).toContain('frazil-scratch-test-');
    writeFileSync(join(scratch.path, 'secret'), 'x');
  }
  expect(readdirSync(dir.path)).toEqual([]);
});

const HOLDER = `
const { openScratch } = await import(process.argv[1]);
console.log((await openScratch('left')).path);
setInterval(() => {}, 1000);
`;

it('what a killed process has left is removed by the next, but not what is in use or kept', async () => {
  await using dir = tempDir();
  vi.stubEnv('TMPDIR', dir.path);
  const holder = spawn(process.execPath, ['--input-type=module', '--eval', HOLDER, SCRATCH], { stdio: 'pipe' });
  const [printed] = await once(holder.stdout, 'data');
  const left = String(printed).trim();
  holder.kill('SIGKILL');
  await once(holder, 'exit');

  await using used = await openScratch('used');
  const kept = await openScratch('kept');
  await kept.keep();
  await kept[Symbol.asyncDispose]();
  const all = [left, used.path, kept.path];
  expect(all.map(existsSync)).toEqual([true, true, true]);
  for (const path of all) age(path);
  await using next = await openScratch('next');
  expect([...all, next.path].map(existsSync)).toEqual([false, true, true, true]);
});
