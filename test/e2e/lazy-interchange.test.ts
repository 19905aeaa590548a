// Our server for CRIU's restore, CRIU's daemon for our images, and a source that fails under a running tree.

import { existsSync, truncateSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { lazyPages } from '../../src/criu/lazy/lazy-pages.js';
import { CRIU_42, CRIUS, runCriu, tryCriu } from '../helpers/criu-cli.js';
import { checkpointOfFaults } from '../helpers/lazily.js';
import { testWith } from '../helpers/needs.js';
import { killTree } from '../helpers/target.js';
import { until } from '../helpers/until.js';

const SLOW = 64 * 2 ** 20;

describe.each(CRIUS)('with criu $name', (criu) => {
  testWith([criu.here], 'criu restore --lazy-pages is served by us', async () => {
    await using lazily = await checkpointOfFaults(criu.path, 64);
    const filling = await lazyPages({ imagesDir: lazily.images, bytesPerSecond: SLOW });
    await runCriu(criu, 'restore', lazily.images, ['-d', '--lazy-pages']);
    for (const question of ['forks 2 2', 'remap', 'check 4'])
      expect(await lazily.target.ask(question)).toEqual({ broken: 0 });
    const report = await filling.done;
    expect(report.bytes.total).toBeGreaterThan(63 * 2 ** 20);
    expect(report.filledMs).toBeGreaterThanOrEqual(report.firstInstructionMs);
    expect(await lazily.target.ask('check 4')).toEqual({ broken: 0 });
    await killTree(lazily.target);
  });

  testWith([criu.here], 'criu lazy-pages serves what we have dumped', async () => {
    await using lazily = await checkpointOfFaults(criu.path, 64);
    const daemon = tryCriu(criu, 'lazy-pages', lazily.images, []);
    await until('it listens', () => existsSync(join(lazily.images, 'lazy-pages.socket')));
    await runCriu(criu, 'restore', lazily.images, ['-d', '--lazy-pages']);
    expect(await lazily.target.ask('check 4')).toEqual({ broken: 0 });
    expect(await daemon).toMatchObject({ status: 0 });
    await killTree(lazily.target);
  });
});

describe('a source that fails while the tree runs', () => {
  const faults = [
    { name: 'cut short', errno: ['ENODATA', 'ESTALE'], harm: (file: string) => truncateSync(file, 2 ** 20) },
    { name: 'written to', errno: ['ESTALE'], harm: (file: string) => utimesSync(file, 1, 1) },
  ];
  for (const { name, errno, harm } of faults) {
    testWith([CRIU_42.here], `${name}: the tree is dead, and the error names page and source`, async () => {
      await using lazily = await checkpointOfFaults(CRIU_42.path, 64, ['read']);
      const tree = await lazily.restore({ bytesPerSecond: 2 ** 20 });
      harm(join(lazily.images, 'pages-1.img'));
      const error = await tree.filling?.done.catch((reason: unknown) => reason);
      expect(error).toMatchObject({
        code: 'LAZY_FAILED',
        detail: {
          fault: 'source',
          imagesDir: lazily.images,
          pid: lazily.target.pid,
          vaddr: expect.stringMatching(/^0x/),
        },
      });
      expect(errno).toContain((error as { detail: { errno: string } }).detail.errno);
      expect(await tree.exited).toMatchObject({ kind: 'signaled', signal: 9 });
      await until('nothing is left', () => lazily.tasks().length === 0);
      expect(existsSync(`${lazily.control}.broken`)).toBe(false);
    });
  }

  testWith([CRIU_42.here], 'disposing the filling ends the tree', async () => {
    await using lazily = await checkpointOfFaults(CRIU_42.path, 64);
    const tree = await lazily.restore({ bytesPerSecond: 2 ** 20 });
    await tree.filling?.[Symbol.asyncDispose]();
    expect(await tree.exited).toMatchObject({ kind: 'signaled', signal: 9 });
    await expect(tree.filling?.done).rejects.toMatchObject({ code: 'LAZY_FAILED', detail: { fault: 'caller' } });
  });
});
