// Dump, kill, restore: every target that checks itself, with both CRIUs.

import { join } from 'node:path';
import { describe, expect } from 'vitest';
import type { DumpOptions, RestoreOptions } from '../../src/options/types.js';
import type { Absorb } from '../../src/pages/store.js';
import { CRIU_42, CRIUS } from '../helpers/criu-cli.js';
import { watchLeaks } from '../helpers/leaks.js';
import { need, testWith } from '../helpers/needs.js';
import { killTree, python, startCommand, startTarget, type TargetName } from '../helpers/target.js';
import { tempDir } from '../helpers/temp-dir.js';
import { dumpTo, looksWhole, restoreFrom } from '../helpers/verbs.js';

const MEBIBYTE = 2 ** 20;

const CHECKING: readonly { name: TargetName; options: DumpOptions & RestoreOptions }[] = [
  { name: 'tree', options: { fileLocks: true } },
  { name: 'mappings', options: {} },
];

describe.each(CRIUS)('with criu $name', (criu) => {
  for (const { name, options } of CHECKING) {
    testWith([criu.here], `the ${name} target finds everything in place`, async () => {
      await using dir = tempDir();
      const control = join(dir.path, 'control');
      const images = dir.folder('images');
      await using target = await startTarget(name, [control, dir.folder('files')], { control });
      const leaks = watchLeaks();
      const pids = target.tree();
      await dumpTo(images, target, { criu: criu.path, ...options });
      await leaks.expectNothingLeft(images);
      const tree = await restoreFrom(images, { criu: criu.path, ...options });
      expect(tree.pid).toBe(pids[0]);
      expect((await target.verify()).failed).toEqual([]);
      expect(target.tree().sort()).toEqual(pids.toSorted());
      await killTree(target, tree);
    });
  }

  testWith([criu.here], 'tasks in their own pid, mount, net, uts and ipc namespaces find them again', async () => {
    await using dir = tempDir();
    const root = dir.folder('root');
    const images = dir.folder('images');
    // CRIU 4.1 refuses inet sockets on new kernels.
    const inet = criu.inet.missing === undefined ? 'inet' : 'no-inet';
    await using target = await startTarget('namespaces', [root, inet], { control: join(root, 'control') });
    await dumpTo(images, target, { criu: criu.path, tcpEstablished: true });
    const tree = await restoreFrom(images, { criu: criu.path, tcpEstablished: true, root });
    expect(await target.verify()).toEqual({ checks: 12, failed: [] });
    await killTree(target, tree);
  });

  testWith([criu.here], 'a tree that is left running is a tree that can be restored later', async () => {
    await using dir = tempDir();
    const control = join(dir.path, 'control');
    const images = dir.folder('images');
    await using target = await startTarget('memory', [control, '32', '4', '5'], { control });
    const before = await target.ask('digest');
    await dumpTo(images, target, { criu: criu.path, leaveRunning: true });
    expect(await target.ask('digest')).toEqual(before);
    expect(await target.ask('threads')).toEqual({ threads: 4, alive: 4 });
    await target.ask('dirty 1000');
    expect(await target.ask('digest')).not.toEqual(before);
    await killTree(target);
    const tree = await restoreFrom(images, { criu: criu.path });
    expect(await target.ask('digest')).toEqual(before);
    await killTree(target, tree);
  });
});

describe.each<{ absorb: Absorb; leaveRunning: boolean }>([
  { absorb: 'never', leaveRunning: false },
  { absorb: 'always', leaveRunning: false },
  { absorb: 'never', leaveRunning: true },
  { absorb: 'always', leaveRunning: true },
])('absorb $absorb, leaveRunning $leaveRunning', (options) => {
  testWith([CRIU_42.here], 'the restored memory is what it was at the dump', async () => {
    await using dir = tempDir();
    const control = join(dir.path, 'control');
    const images = dir.folder('images');
    await using target = await startTarget('memory', [control, '96', '3', '4'], { control });
    const before = await target.ask('digest');
    const leaks = watchLeaks();
    const report = await dumpTo(images, target, options);
    expect(report.store.kind).toBe(options.absorb === 'always' ? 'memory' : 'directory');
    await leaks.expectNothingLeft(images);
    if (options.leaveRunning) await killTree(target);
    const tree = await restoreFrom(images, {});
    expect(await target.ask('digest')).toEqual(before);
    await killTree(target, tree);
  });
});

testWith([CRIU_42.here], 'eight threads and 500 MB: digest, threads and figures are right', async () => {
  await using dir = tempDir();
  const control = join(dir.path, 'control');
  const images = dir.folder('images');
  await using target = await startTarget('memory', [control, '500', '8', '10'], { control });
  const before = await target.ask<{ digest: string; bytes: number }>('digest');
  const report = await dumpTo(images, target, {});
  expect(looksWhole(images)).toBe(true);
  expect(report.pid).toBe(target.pid);
  // Every tenth page is zero; every twentieth was written with zeros and so reaches us. None of them has neighbours, with which it would be a hole.
  expect(report.bytesReceived).toBeGreaterThan(0.9 * before.bytes);
  expect(report.zeroPages).toBeLessThan((500 * MEBIBYTE) / 4096 / 20);
  expect(report.bytesWritten).toBeLessThanOrEqual(report.bytesReceived);
  expect(report.bytesWritten).toBeGreaterThanOrEqual(report.bytesReceived - report.zeroPages * 4096);
  expect(report.pagesWritten * 4096).toBe(report.bytesReceived);
  expect(report.frozenTimeUs).toBeGreaterThan(0);
  const tree = await restoreFrom(images, {});
  expect(await target.ask('digest')).toEqual(before);
  expect(await target.ask('threads')).toEqual({ threads: 8, alive: 8 });
  await killTree(target, tree);
});

testWith([CRIU_42.here], 'a target that grows while it is dumped comes back without a broken page', async () => {
  await using dir = tempDir();
  const control = join(dir.path, 'control');
  const images = dir.folder('images');
  await using target = await startTarget('memory', [control, '16', '2', '0'], { control });
  await target.ask('grow 512');
  await dumpTo(images, target, { absorb: 'always' });
  const tree = await restoreFrom(images, {});
  const { grown, broken } = await target.ask<{ grown: number; broken: number }>('grown');
  expect(grown).toBeGreaterThan(0);
  expect(broken).toBe(0);
  await killTree(target, tree);
});

const interpreter = python();
testWith(
  [CRIU_42.here, need('python3', interpreter === undefined && 'not installed')],
  'Python in the middle of a computation arrives at the right result',
  async () => {
    await using dir = tempDir();
    const control = join(dir.path, 'control');
    const images = dir.folder('images');
    const script = new URL('../helpers/targets/compute.py', import.meta.url).pathname;
    await using target = await startCommand([interpreter ?? '', script, control], { control });
    const before = await target.ask<{ steps: number }>('progress');
    await dumpTo(images, target, {});
    const tree = await restoreFrom(images, {});
    const after = await target.ask<{ steps: number; state: number }>('finish');
    expect(after.steps).toBeGreaterThanOrEqual(before.steps);
    expect(after.state).toBe(stateAfter(after.steps));
    await killTree(target, tree);
  },
);

/** The computation of compute.py. */
function stateAfter(steps: number): number {
  let state = 1;
  for (let i = 0; i < steps; i++) state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state;
}
