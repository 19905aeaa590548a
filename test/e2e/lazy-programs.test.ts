// Lazy restores of programs as people run them, and what becomes of a tree whose caller ends.

import { join } from 'node:path';
import { expect } from 'vitest';
import { CRIU_42 } from '../helpers/criu-cli.js';
import { checkpointOfFaults } from '../helpers/lazily.js';
import { need, testWith } from '../helpers/needs.js';
import { killTree, python, startCommand, startProgram, startTarget, textOf } from '../helpers/target.js';
import { tempDir } from '../helpers/temp-dir.js';
import { until } from '../helpers/until.js';
import { startVerb } from '../helpers/verb-process.js';
import { dumpTo, restoreFrom } from '../helpers/verbs.js';

const MEBIBYTE = 2 ** 20;

async function get(port: number, path: string): Promise<{ readonly requests: number; readonly digest?: string }> {
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, { headers: { connection: 'close' } });
  return (await answer.json()) as { requests: number; digest?: string };
}

testWith([CRIU_42.here], 'a Node server of 100 MB answers long before its memory is there', async () => {
  await using dir = tempDir();
  const images = dir.folder('images');
  const script = new URL('../helpers/targets/memory-server.mjs', import.meta.url).pathname;
  const portFile = join(dir.path, 'port');
  const { target, ready } = await startProgram([process.execPath, script, portFile, '100'], () => textOf(portFile));
  await using server = target;
  const port = Number(ready);
  const before = await get(port, '/digest');
  await dumpTo(images, server, {});
  const asked = performance.now();
  const tree = await restoreFrom(images, { lazy: { bytesPerSecond: 32 * MEBIBYTE } });
  expect(await get(port, '/')).toEqual({ requests: before.requests + 1 });
  const answeredMs = performance.now() - asked;
  expect((await get(port, '/digest')).digest).toBe(before.digest);
  const report = await tree.filling?.done;
  expect(report?.bytes.total).toBeGreaterThan(100 * MEBIBYTE);
  expect(answeredMs).toBeLessThan(report?.filledMs ?? 0);
  expect((await get(port, '/digest')).digest).toBe(before.digest);
  await killTree(server, tree);
});

const interpreter = python();
testWith(
  [CRIU_42.here, need('python3', interpreter === undefined && 'not installed')],
  'Python goes on with its computation while it is being filled',
  async () => {
    await using dir = tempDir();
    const control = join(dir.path, 'control');
    const images = dir.folder('images');
    const script = new URL('../helpers/targets/compute.py', import.meta.url).pathname;
    await using target = await startCommand([interpreter ?? '', script, control], { control });
    const before = await target.ask<{ steps: number }>('progress');
    await dumpTo(images, target, {});
    const tree = await restoreFrom(images, { lazy: { bytesPerSecond: 4 * MEBIBYTE } });
    const after = await target.ask<{ steps: number; state: number }>('finish');
    expect(after.steps).toBeGreaterThanOrEqual(before.steps);
    expect(after.state).toBe(stateAfter(after.steps));
    expect((await tree.filling?.done)?.faults).toBeGreaterThan(0);
    await killTree(target, tree);
  },
);

/** The computation of compute.py. */
function stateAfter(steps: number): number {
  let state = 1;
  for (let i = 0; i < steps; i++) state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state;
}

testWith([CRIU_42.here], 'a tree of processes, with all that they share, is as it was', async () => {
  await using dir = tempDir();
  const control = join(dir.path, 'control');
  const images = dir.folder('images');
  await using target = await startTarget('tree', [control, dir.folder('files')], { control });
  await dumpTo(images, target, { fileLocks: true });
  const tree = await restoreFrom(images, { fileLocks: true, lazy: { bytesPerSecond: MEBIBYTE } });
  expect((await target.verify()).failed).toEqual([]);
  const report = await tree.filling?.done;
  expect(report?.tasks).toBeGreaterThan(1);
  expect((await target.verify()).failed).toEqual([]);
  await killTree(target, tree);
});

for (const outlive of [true, false]) {
  const what = outlive ? 'goes on, and is filled' : 'ends with him';
  testWith([CRIU_42.here], `a tree whose caller is killed ${what} (outlive: ${outlive})`, async () => {
    await using lazily = await checkpointOfFaults(CRIU_42.path, 64);
    const { images, target } = lazily;
    const options = { criu: CRIU_42.path, lazy: { outlive, bytesPerSecond: 16 * MEBIBYTE } };
    await using caller = startVerb({ verb: 'restore', images, options });
    await caller.event('done');
    expect(lazily.tasks()).toHaveLength(1);
    await caller.kill();
    const verdict = (): string => textOf(join(images, 'lazy-pages.log')) ?? '';
    if (outlive) {
      expect(await target.ask('check 2')).toEqual({ broken: 0 });
      await until('the log says it', () => verdict().includes('"event":"filled"'));
      expect(lazily.tasks()).toHaveLength(1);
    } else {
      await until('nothing is left', () => lazily.tasks().length === 0);
      await until('the log says it', () => verdict().includes('"event":"failed","fault":"caller"'));
    }
  });
}
