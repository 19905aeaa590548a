// Lazy restore: the tree runs first, its memory comes behind it.

import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { CRIU_42, CRIUS } from '../helpers/criu-cli.js';
import { checkpointOfFaults } from '../helpers/lazily.js';
import { watchLeaks } from '../helpers/leaks.js';
import { testWith } from '../helpers/needs.js';
import { killTree, startTarget } from '../helpers/target.js';
import { tempDir } from '../helpers/temp-dir.js';
import { dumpTo, restoreFrom } from '../helpers/verbs.js';

const MEBIBYTE = 2 ** 20;

describe.each(CRIUS)('with criu $name', (criu) => {
  testWith([criu.here], 'every page of 500 MB is what it was, while it is being filled', async () => {
    await using dir = tempDir();
    const control = join(dir.path, 'control');
    const images = dir.folder('images');
    await using target = await startTarget('memory', [control, '500', '4', '5'], { control });
    const before = await target.ask('digest');
    await dumpTo(images, target, { criu: criu.path });
    const leaks = watchLeaks();
    const tree = await restoreFrom(images, { criu: criu.path, lazy: true });
    expect(await target.ask('digest')).toEqual(before);
    expect(await target.ask('threads')).toEqual({ threads: 4, alive: 4 });
    const report = await tree.filling?.done;
    // Every fifth page is zero, and half of those were never touched.
    expect(report?.bytes.total).toBeGreaterThan(440 * MEBIBYTE);
    expect(report?.bytes.copied).toBeGreaterThan(390 * MEBIBYTE);
    expect(await target.ask('digest')).toEqual(before);
    await killTree(target, tree);
    await leaks.expectNothingLeft(images);
  });
});

describe('what tasks do to their memory while it is being filled', () => {
  testWith([CRIU_42.here], 'threads that ask for pages at once, in no order', async () => {
    await using lazily = await checkpointOfFaults(CRIU_42.path, 96);
    const report = await lazily.asked(['check 8']);
    expect(report.faults).toBeGreaterThan(8);
    expect(report.bytes.total).toBeGreaterThan(95 * MEBIBYTE);
  });

  testWith([CRIU_42.here], 'fork over three generations, and a storm of forks', async () => {
    await using lazily = await checkpointOfFaults(CRIU_42.path, 96);
    const report = await lazily.asked(['storm 100', 'forks 4 3', 'storm 100']);
    expect(report.events.forks).toBeGreaterThan(10);
    expect(report.tasks).toBe(1 + report.events.forks);
  });

  testWith([CRIU_42.here], 'remap, remove and unmap', async () => {
    await using lazily = await checkpointOfFaults(CRIU_42.path, 256);
    const remapped = await lazily.asked(['remap']);
    expect(remapped.events.remaps).toBeGreaterThan(1);
    const removed = await lazily.asked(['remove']);
    expect(removed.events.removes).toBeGreaterThan(0);
    const unmapped = await lazily.asked(['unmap']);
    expect(unmapped.events.unmaps).toBeGreaterThan(0);
    expect(unmapped.bytes.dropped).toBeGreaterThan(0);
  });

  testWith([CRIU_42.here], 'all of it at once, from six threads', async () => {
    await using lazily = await checkpointOfFaults(CRIU_42.path, 128);
    for (const threads of [1, 2, 4]) {
      const report = await lazily.asked(['together 3'], { threads });
      expect(report.events.forks).toBeGreaterThan(0);
      expect(report.events.remaps + report.events.removes + report.events.unmaps).toBeGreaterThan(2);
    }
  });
});
