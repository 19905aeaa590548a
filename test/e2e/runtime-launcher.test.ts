// frazil-runc as engines call it: without an environment. And bad input: what a runtime refuses it refuses through us in the same words.

import { execFile } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { answers, type Container, makeContainer, type Outcome, RUNC, startContainer } from '../helpers/container.js';
import { CRIU_42 } from '../helpers/criu-cli.js';
import { FRAZIL } from '../helpers/frazil-cli.js';
import { need, testWith } from '../helpers/needs.js';
import { tempDir } from '../helpers/temp-dir.js';

const at = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const LAUNCHER = at('build/Release/frazil-runc');
const BUILT = need('a built command line', !existsSync(at('dist/cli/main.js')) && 'run npm run build:ts');

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

/** Arguments behind `checkpoint` or `restore`; IMAGES is an empty folder, ID the container. */
const REFUSED: readonly (readonly [why: string, ...words: string[]])[] = [
  ['no such container', 'checkpoint', '--image-path', 'IMAGES', 'no-such-container'],
  ['no id', 'checkpoint', '--image-path', 'IMAGES'],
  ['two ids', 'checkpoint', 'ID', 'ID'],
  ['unwritable image path', 'checkpoint', '--image-path', '/proc/nowhere', 'ID'],
  ['absolute parent path', 'checkpoint', '--image-path', 'IMAGES', '--parent-path', '/tmp', 'ID'],
  ['missing parent path', 'checkpoint', '--image-path', 'IMAGES', '--parent-path', '../nowhere', 'ID'],
  ['page server without a port', 'checkpoint', '--image-path', 'IMAGES', '--page-server', 'localhost', 'ID'],
  ['page server with a bad port', 'checkpoint', '--image-path', 'IMAGES', '--page-server', 'localhost:x', 'ID'],
  ['a namespace that cannot be empty', 'checkpoint', '--image-path', 'IMAGES', '--empty-ns', 'pid', 'ID'],
  ['a cgroups mode that does not exist', 'checkpoint', '--image-path', 'IMAGES', '--manage-cgroups-mode', 'x', 'ID'],
  ['an unknown option', 'checkpoint', '--no-such-option', 'ID'],
  ['restore over a container that is there', 'restore', '-d', '--image-path', 'IMAGES', 'ID'],
  ['restore from an empty folder', 'restore', '-d', '--image-path', 'IMAGES', 'another'],
  ['restore without a bundle', 'restore', '-d', '--image-path', 'IMAGES', '--bundle', '/proc/nowhere', 'another'],
];

describe('bad input: text and status are those of runc', () => {
  testWith([RUNC.here, CRIU_42.here], 'on a running container', async () => {
    await using dir = tempDir();
    await using container = await startContainer(RUNC, dir);
    for (const [why, ...words] of REFUSED) await same(container, dir.folder('images'), [why, words]);
    expect((await container.state())?.status).toBe('running');
  });

  testWith([RUNC.here, CRIU_42.here], 'on a created and on a stopped one', async () => {
    await using dir = tempDir();
    await using container = await makeContainer(RUNC, dir);
    const images = dir.folder('images');
    await container.call('create', '--bundle', container.bundle, container.id);
    await same(container, images, ['created', ['checkpoint', '--image-path', 'IMAGES', 'ID']]);
    await container.call('kill', container.id, 'KILL');
    await expect.poll(async () => (await container.state())?.status).toBe('stopped');
    await same(container, images, ['stopped', ['checkpoint', '--image-path', 'IMAGES', 'ID']]);
  });
});

async function same(
  container: Container,
  images: string,
  [why, words]: readonly [string, readonly string[]],
): Promise<void> {
  const args = words.map((word) => word.replace(/^IMAGES$/, images).replace(/^ID$/, container.id));
  const ours = await container.callBy([...FRAZIL, 'runc'], ...args);
  const real = await container.call(...args);
  expect(real.status, why).not.toBe(0);
  expect({ ...ours, stderr: timeless(ours.stderr) }, why).toEqual({ ...real, stderr: timeless(real.stderr) });
}

function timeless(text: string): string {
  return text.replaceAll(/"?time"?[=:]"[^"]*"/g, 'time');
}
