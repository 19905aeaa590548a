// frazil-runc as engines call it: without an environment.

import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { BUILT } from '../helpers/built.js';
import { answers, type Outcome, RUNC, SEATED, startContainer } from '../helpers/container.js';
import { CRIU_42 } from '../helpers/criu-cli.js';
import { LAUNCHER } from '../helpers/launcher.js';
import { testWith } from '../helpers/needs.js';
import { tempDir } from '../helpers/temp-dir.js';

function bare(file: string, args: readonly string[], cwd: string, env: Record<string, string> = {}): Promise<Outcome> {
  return new Promise((resolve) => {
    execFile(file, args, { cwd, env }, (failure, stdout, stderr) => {
      const status = failure === null ? 0 : typeof failure.code === 'number' ? failure.code : 128;
      resolve({ status, stdout, stderr });
    });
  });
}

testWith(
  [RUNC.here, CRIU_42.here, BUILT],
  'with an empty environment: state as runc says it, checkpoint through Frazil',
  async () => {
    await using dir = tempDir();
    await using container = await startContainer(RUNC, dir);
    const { id, bundle, root } = container;
    const env = { FRAZIL_RUNC: RUNC.program(dir) };
    const state = await bare(LAUNCHER, ['--root', root, 'state', id], bundle, env);
    expect(state.stdout).toBe((await container.call('state', id)).stdout);
    const images = dir.folder('images');
    const made = await bare(LAUNCHER, [`--root=${root}`, 'checkpoint', '-image-path', images, id], bundle, {
      ...env,
      FRAZIL_CRIU: CRIU_42.path,
    });
    expect(made).toEqual({ status: 0, stdout: '', stderr: '' });
    const back = await container.call('restore', '-d', '--image-path', images, id);
    expect(back.status, back.stderr).toBe(0);
    await answers(container);
  },
);

test('it does not start itself, whatever its name is', async () => {
  await using dir = tempDir();
  const folder = dir.folder('bin');
  writeFileSync(join(folder, 'runc'), '#!/bin/sh\necho the other one\n', { mode: 0o755 });
  const link = dir.folder('first');
  await bare('/bin/ln', ['-s', LAUNCHER, join(link, 'runc')], dir.path);
  const env = { PATH: `${link}:${folder}`, FRAZIL_HOME: dir.path };
  expect(await bare(join(link, 'runc'), ['--version'], dir.path, env)).toMatchObject({ stdout: 'the other one\n' });
});

test('what it cannot start it says, with the reason', async () => {
  await using dir = tempDir();
  const file = join(dir.path, 'script');
  writeFileSync(file, 'no program\n', { mode: 0o755 });
  const said = (path: string, why: string) => ({
    status: 1,
    stdout: '',
    stderr: `Error (frazil-runc): cannot start "${path}": ${why}\n`,
  });
  const tried = (path: string) => bare(LAUNCHER, ['state', 'x'], dir.path, { FRAZIL_RUNC: path });
  expect(await tried(file)).toEqual(said(file, 'Exec format error'));
  expect(await tried(`${dir.path}/none`)).toEqual(said(`${dir.path}/none`, 'No such file or directory'));
  expect(await tried('x'.repeat(5000))).toEqual(said('', 'No such file or directory'));
});

testWith([RUNC.here], 'without any variable the private prefix is found by the home in /etc/passwd', async () => {
  const found = await bare(LAUNCHER, ['--version'], '/');
  expect(found).toMatchObject({ status: 0, stdout: expect.stringContaining('runc version') });
  expect(found).toEqual(await bare(LAUNCHER, ['--version'], '/', { HOME: userInfo().homedir }));
});

testWith([RUNC.here, CRIU_42.here], 'the CRIU that --criu names is the one that gets our seat', async () => {
  await using dir = tempDir();
  await using container = await startContainer(RUNC, dir);
  const used = join(dir.path, 'used');
  const criu = join(dir.path, 'my-criu');
  writeFileSync(criu, `#!/bin/sh\necho "$1" >>${used}\nexec ${CRIU_42.path} "$@"\n`, { mode: 0o755 });
  const images = dir.folder('images');
  const words = [`--criu=${criu}`, 'checkpoint', '--leave-running', '--image-path', images, container.id];
  expect(await container.callBy(SEATED, ...words)).toEqual({ status: 0, stdout: '', stderr: '' });
  expect(readFileSync(used, 'utf8')).toContain('swrk');
  expect(readFileSync(join(images, 'dump.log'), 'utf8')).toContain('page-xfer: Reusing ps socket');
});
