// Where the pages of a container go another way than into images: to a page server, to a lazy restore. crun has neither.

import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { lazyPages } from '../../src/criu/lazy/lazy-pages.js';
import { answers, type Container, type Outcome, RUNC, SEATED, startContainer } from '../helpers/container.js';
import { CRIU_42, tryCriu } from '../helpers/criu-cli.js';
import { testWith } from '../helpers/needs.js';
import { freePort, startPageServer } from '../helpers/page-server.js';
import { tempDir } from '../helpers/temp-dir.js';
import { until } from '../helpers/until.js';

const needs = [RUNC.here, CRIU_42.here];
const MEBIBYTES = 100;

function restoreLazily(container: Container, images: string, id: string): Promise<Outcome> {
  const words = ['restore', '-d', '--lazy-pages', '--image-path', images, '--work-path', images];
  return container.callBy(SEATED, ...words, '--bundle', container.bundle, id);
}

function pageBytes(images: string): number {
  const files = readdirSync(images).filter((name) => /^pages-\d+\.img$/.test(name));
  return files.reduce((sum, name) => sum + statSync(join(images, name)).size, 0);
}

testWith(needs, 'a checkpoint to a page server: its pages and our images restore together', async () => {
  await using dir = tempDir();
  await using container = await startContainer(RUNC, dir, { mebibytes: MEBIBYTES });
  const before = await container.ask('digest');
  const images = dir.folder('images');
  const { port, done } = await startPageServer(CRIU_42, images);
  const words = ['checkpoint', '--image-path', images, '--page-server', `127.0.0.1:${port}`, container.id];
  expect(await container.callBy(SEATED, ...words)).toEqual({ status: 0, stdout: '', stderr: '' });
  await done;
  expect(pageBytes(images)).toBeGreaterThan(70 * 2 ** 20);
  const back = await container.callBy(SEATED, 'restore', '-d', '--image-path', images, container.id);
  expect(back.status, back.stderr).toBe(0);
  await answers(container);
  expect(await container.ask('digest')).toEqual(before);
});

testWith(needs, 'restore --lazy-pages of what Frazil has checkpointed, served by Frazil', async () => {
  await using dir = tempDir();
  await using container = await startContainer(RUNC, dir, { mebibytes: MEBIBYTES });
  const before = await container.ask('digest');
  const images = dir.folder('images');
  const made = await container.callBy(SEATED, 'checkpoint', '--image-path', images, container.id);
  expect(made.status, made.stderr).toBe(0);
  const filling = await lazyPages({ imagesDir: images });
  const back = await restoreLazily(container, images, container.id);
  expect(back.status, back.stderr).toBe(0);
  await answers(container);
  expect(await container.ask('digest')).toEqual(before);
  expect((await filling.done).bytes.total).toBeGreaterThan(70 * 2 ** 20);
  expect((await container.state())?.status).toBe('running');
});

testWith(
  needs,
  'checkpoint --lazy-pages: --status-fd says when, the pages follow the container over a socket',
  async () => {
    await using dir = tempDir();
    await using container = await startContainer(RUNC, dir, { mebibytes: MEBIBYTES });
    const before = await container.ask('digest');
    const images = dir.folder('images');
    const status = join(dir.path, 'status');
    const port = await freePort();
    const program = ['sh', '-c', `exec "$@" 5>'${status}'`, '-', ...SEATED];
    const lazy = ['--lazy-pages', '--page-server', `127.0.0.1:${port}`, '--status-fd', '5'];
    const made = container.callBy(program, 'checkpoint', '--image-path', images, ...lazy, container.id);
    await until('the pages can be fetched', () => existsSync(status) && statSync(status).size === 1);
    expect(existsSync(join(images, 'pages-1.img')) ? statSync(join(images, 'pages-1.img')).size : 0).toBeLessThan(
      2 ** 20,
    );

    const fetching = ['--page-server', '--address', '127.0.0.1', '--port', String(port)];
    const daemon = tryCriu(CRIU_42, 'lazy-pages', images, fetching);
    await until('it listens', () => existsSync(join(images, 'lazy-pages.socket')));
    // The first one is there until its last page has gone.
    const second = `${container.id}-again`;
    const back = await restoreLazily(container, images, second);
    expect(back.status, back.stderr).toBe(0);
    await answers(container);
    expect(await container.ask('digest')).toEqual(before);
    expect(await daemon).toMatchObject({ status: 0 });
    expect(await made).toEqual({ status: 0, stdout: '', stderr: '' });
    expect(await container.state()).toBeUndefined();
    await container.call('delete', '--force', second);
  },
);
