import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { frazilHome, locate } from '../../../src/criu/locate.js';
import { CheckpointError } from '../../../src/errors/checkpoint-error.js';

describe('locate()', () => {
  let root = '';
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'locate-'));
  });
  afterEach(() => rm(root, { recursive: true }));

  async function program(path: string, mode = 0o755): Promise<string> {
    const full = join(root, path);
    await mkdir(dirname(full), { recursive: true });
    await writeFile(full, '#!/bin/sh\n');
    await chmod(full, mode);
    return full;
  }

  it('takes option, then FRAZIL_CRIU, then the prefix, then PATH', async () => {
    const option = await program('a/criu');
    const environment = await program('b/criu');
    const prefix = await program('home/criu/usr/sbin/criu');
    const inPath = await program('bin/criu');
    const env = { FRAZIL_HOME: join(root, 'home'), PATH: join(root, 'bin'), FRAZIL_CRIU: environment };
    expect(await locate({ criu: option, env })).toMatchObject({ path: option, from: 'option' });
    expect(await locate({ env })).toMatchObject({ path: environment, from: 'environment' });
    expect(await locate({ env: { ...env, FRAZIL_CRIU: '' } })).toMatchObject({ path: prefix, from: 'prefix' });
    await rm(prefix);
    const last = await locate({ env: { ...env, FRAZIL_CRIU: undefined } });
    expect(last).toEqual({ path: inPath, from: 'path', why: `found in PATH: ${inPath}` });
  });

  it.each(['option', 'FRAZIL_CRIU'])('refuses a wrong path in %s instead of taking another CRIU', async (source) => {
    await program('bin/criu');
    const wrong = await program('plain/criu', 0o644);
    const env = { PATH: join(root, 'bin'), FRAZIL_HOME: root, FRAZIL_CRIU: source === 'option' ? '' : wrong };
    const failure = await locate({ env, criu: source === 'option' ? wrong : undefined }).catch((e: unknown) => e);
    // Root may not execute a file without any x bit either.
    expect(CheckpointError.is(failure, 'CRIU_MISSING') && failure.detail.tried).toEqual([wrong]);
  });

  it('skips a folder called criu', async () => {
    await mkdir(join(root, 'bin/criu'), { recursive: true });
    const found = await locate({ env: { PATH: join(root, 'bin'), FRAZIL_HOME: root } }).catch((e: unknown) => e);
    expect(found).not.toMatchObject({ path: join(root, 'bin/criu') });
  });
});

describe('frazilHome()', () => {
  it.each([
    [{ FRAZIL_HOME: '/x', XDG_CACHE_HOME: '/y', HOME: '/z' }, '/x'],
    [{ XDG_CACHE_HOME: '/y', HOME: '/z' }, '/y/frazil'],
    [{ HOME: '/z' }, '/z/.cache/frazil'],
  ])('of %j is %s', (env, home) => {
    expect(frazilHome(env)).toBe(home);
  });
});
