import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { ADDON } from '../../../src/addon/load.js';

const PROGRAM = fileURLToPath(new URL('./exit-with-jobs.mjs', import.meta.url));

describe('a process whose job still waits', () => {
  it.each([
    ['exit', 3, ''],
    ['unref', 0, ''],
    ['message', 0, 'received\n'],
    ['cancel', 0, 'rejected: poll 125\n'],
    ['throw', 1, ''],
  ])('ends by "%s" with status %i', (way, status, stdout) => {
    const ended = spawnSync(process.execPath, [PROGRAM, ADDON, way], { encoding: 'utf8', timeout: 10_000 });
    expect({ status: ended.status, signal: ended.signal, stdout: ended.stdout }).toEqual({
      status,
      signal: null,
      stdout,
    });
  });
});
