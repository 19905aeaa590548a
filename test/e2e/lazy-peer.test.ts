// Pages that are still where they were: our restore fetches them from CRIU, and CRIU's and ours fetch them from us.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { archive } from '../../src/archive/archive.js';
import { createArchive } from '../../src/archive/create/call.js';
import { servePages } from '../../src/criu/lazy/serve-pages.js';
import { restore } from '../../src/criu/restore.js';
import { imagesDirectory } from '../../src/criu/target.js';
import { CRIU_42, CRIUS, type RealCriu, runCriu, tryCriu } from '../helpers/criu-cli.js';
import { type LeftBehind, LOOPBACK, leftBehind } from '../helpers/left-behind.js';
import { testWith } from '../helpers/needs.js';
import { splitChain } from '../helpers/split-chain.js';
import { killTree, startTarget } from '../helpers/target.js';
import { tempDir } from '../helpers/temp-dir.js';
import { until } from '../helpers/until.js';
import { dumpTo } from '../helpers/verbs.js';

const MEGABYTES = 64;
const SLOW = 32 * 2 ** 20;
const PID_INSIDE = 1;

/** Everything at once while it is being filled, and once more when it is. */
async function checkWhole({ target, control }: LeftBehind, filled: () => Promise<unknown>): Promise<void> {
  for (const question of ['forks 2 2', 'remap', 'check 4'])
    expect([question, await target.ask(question)]).toEqual([question, { broken: 0 }]);
  await filled();
  expect(await target.ask('check 4')).toEqual({ broken: 0 });
  expect(existsSync(`${control}.broken`)).toBe(false);
}

describe.each(CRIUS)('with criu $name', (criu) => {
  testWith([criu.here], 'restores from criu dump --lazy-pages, which ends the source then', async () => {
    await using left = await leftBehind(criu, { megabytes: MEGABYTES });
    const tree = await left.restore({ bytesPerSecond: SLOW });
    await checkWhole(left, async () => {
      const report = await tree.filling?.done;
      expect(report?.bytes.total).toBeGreaterThan((MEGABYTES - 1) * 2 ** 20);
      expect(report?.faults).toBeGreaterThan(0);
      expect(report?.bytes.read).toBeGreaterThan((MEGABYTES - 1) * 2 ** 20);
      expect(report?.faultLatencyUs.p99).toBeGreaterThan(0);
      expect(await left.holder.ended).toBe(0);
      await until('the source tree has ended', () => left.tasks().length === 1);
    });
    await tree.kill();
    await tree.exited;
  });

  testWith([criu.here], 'restores from criu page-server --lazy-pages, whose images we have dumped', async () => {
    await using left = await leftBehind(criu, { megabytes: MEGABYTES, holding: 'page-server' });
    const tree = await left.restore({ bytesPerSecond: SLOW });
    await checkWhole(left, async () => tree.filling?.done);
    expect(await left.holder.ended).toBe(0);
    await tree.kill();
    await tree.exited;
  });

  testWith([criu.here], 'criu lazy-pages --page-server is fed by us, out of a directory', async () => {
    await using left = await leftBehind(criu, { megabytes: MEGABYTES, holding: 'nobody' });
    const server = await servePages(imagesDirectory(left.dumped), { address: LOOPBACK });
    await restoreByCriu(criu, left, server.port);
    const report = await server.done;
    expect(report.bytes).toBeGreaterThan((MEGABYTES - 1) * 2 ** 20);
    expect(await left.target.ask('check 4')).toEqual({ broken: 0 });
    await killTree(left.target);
  });
});

async function restoreByCriu(criu: RealCriu, { images }: LeftBehind, port: number): Promise<void> {
  const daemon = tryCriu(criu, 'lazy-pages', images, ['--page-server', '--address', LOOPBACK, '--port', `${port}`]);
  await until('it listens', () => existsSync(join(images, 'lazy-pages.socket')));
  await runCriu(criu, 'restore', images, ['-d', '--lazy-pages']);
  expect(await daemon).toMatchObject({ status: 0 });
}

async function packed({ dumped }: LeftBehind, compress: 'none' | 'zstd'): Promise<ReturnType<typeof archive>> {
  const path = join(dumped, '..', 'packed.tar');
  await createArchive(dumped, { to: path, compress }).done;
  return archive(path);
}

describe('our page server', () => {
  testWith([CRIU_42.here], 'feeds our restore out of a chain, with what is in the parent', async () => {
    await using dir = tempDir();
    const control = join(dir.path, 'control');
    const through = ['unshare', '--pid', '--fork', 'setsid'];
    await using target = await startTarget('memory', [control, `${MEGABYTES}`, '2', '5'], { control, through });
    const before = await target.ask('digest');
    const images = dir.folder('images');
    await dumpTo(images, target, { criu: CRIU_42.path });
    const { child, parentPages } = splitChain(dir.path, images, PID_INSIDE);
    const small = join(dir.path, 'small');
    await using server = await servePages(imagesDirectory(child), { address: LOOPBACK, small });
    const pageServer = { address: LOOPBACK, port: server.port };
    const lazy = { pageServer, bytesPerSecond: SLOW };
    const tree = await restore(imagesDirectory(small), { criu: CRIU_42.path, lazy }).done;
    expect(await target.ask('digest')).toEqual(before);
    const report = await tree.filling?.done;
    expect(report?.bytes.total).toBeGreaterThan(parentPages * 4096);
    const served = await server.done;
    expect(served.bytes).toBeGreaterThan(parentPages * 4096);
    expect(await target.ask('digest')).toEqual(before);
    await tree.kill();
    await tree.exited;
  });

  const sources = [
    { name: 'a directory', compress: undefined },
    { name: 'an uncompressed archive', compress: 'none' },
    { name: 'a zstd archive', compress: 'zstd' },
  ] as const;
  for (const { name, compress } of sources) {
    testWith([CRIU_42.here], `feeds our restore out of ${name}`, async () => {
      await using left = await leftBehind(CRIU_42, { megabytes: MEGABYTES, holding: 'nobody' });
      const source = compress === undefined ? imagesDirectory(left.dumped) : await packed(left, compress);
      const server = await servePages(source, { address: LOOPBACK });
      const tree = await left.restore({ bytesPerSecond: SLOW }, server.port);
      await checkWhole(left, async () => tree.filling?.done);
      const { bytes, requests } = await server.done;
      expect(bytes).toBeGreaterThan((MEGABYTES - 1) * 2 ** 20);
      expect(requests).toBeGreaterThan(1);
      await tree.kill();
      await tree.exited;
    });
  }
});
