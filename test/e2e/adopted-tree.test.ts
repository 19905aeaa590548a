// A restored tree is our child: its end is told in this process, beside the children that Node itself has started.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import type { Tree } from '../../src/criu/tree.js';
import { CRIU_42, CRIUS } from '../helpers/criu-cli.js';
import { testWith } from '../helpers/needs.js';
import { allTasks, taskOf, waitGone } from '../helpers/procfs.js';
import { startTarget, type Target } from '../helpers/target.js';
import { type TempDir, tempDir } from '../helpers/temp-dir.js';
import { dumpTo, restoreFrom } from '../helpers/verbs.js';

async function restored(dir: TempDir, criu: string): Promise<{ target: Target; tree: Tree }> {
  const control = join(dir.path, 'control');
  const target = await startTarget('memory', [control, '1', '2', '0'], { control });
  await dumpTo(dir.folder('images'), target, { criu });
  return { target, tree: await restoreFrom(dir.folder('images'), { criu }) };
}

const zombiesOfOurs = () => allTasks().filter(({ parent, state }) => parent === process.pid && state === 'Z');

describe.each(CRIUS)('with criu $name', (criu) => {
  testWith([criu.here], 'exited resolves with the exit status of the restored root', async () => {
    await using dir = tempDir();
    const { target, tree } = await restored(dir, criu.path);
    await using _ = target;
    expect(taskOf(tree.pid)?.parent).toBe(process.pid);
    await target.ask('exit 42');
    expect(await tree.exited).toEqual({ kind: 'exited', code: 42 });
    await waitGone([tree.pid]);
  });

  testWith([criu.here], 'exited resolves with the signal that ended it', async () => {
    await using dir = tempDir();
    const { target, tree } = await restored(dir, criu.path);
    await using _ = target;
    await tree.kill('SIGTERM');
    expect(await tree.exited).toMatchObject({ kind: 'signaled' });
    await waitGone([tree.pid]);
  });
});

testWith([CRIU_42.here], 'children of child_process keep their own exit statuses beside it', async () => {
  await using dir = tempDir();
  const { target, tree } = await restored(dir, CRIU_42.path);
  await using _ = target;
  const children = Array.from({ length: 8 }, (_unused, code) => spawn('sh', ['-c', `read x; exit ${code}`]));
  const codes = Promise.all(children.map(exitCode));
  for (const child of children.slice(0, 4)) child.stdin.end('go\n');
  await target.ask('exit 7');
  for (const child of children.slice(4)) child.stdin.end('go\n');
  expect(await tree.exited).toEqual({ kind: 'exited', code: 7 });
  expect(await codes).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  expect(zombiesOfOurs()).toEqual([]);
});

testWith([CRIU_42.here], 'kill() ends every task of the tree', async () => {
  await using dir = tempDir();
  const control = join(dir.path, 'control');
  await using target = await startTarget('tree', [control, dir.folder('files')], { control });
  const pids = target.tree();
  await dumpTo(dir.folder('images'), target, { fileLocks: true });
  const tree = await restoreFrom(dir.folder('images'), { fileLocks: true });
  await tree.kill();
  await tree.exited;
  await waitGone(pids);
});

testWith([CRIU_42.here], 'restoreSibling false: it is nobody of ours, and exited only tells the end', async () => {
  await using dir = tempDir();
  const control = join(dir.path, 'control');
  await using target = await startTarget('memory', [control, '1', '1', '0'], { control });
  await dumpTo(dir.folder('images'), target, {});
  const tree = await restoreFrom(dir.folder('images'), { restoreSibling: false });
  expect(taskOf(tree.pid)?.parent).not.toBe(process.pid);
  await target.ask('exit 3');
  expect(await tree.exited).toBeUndefined();
});

async function exitCode(child: ChildProcess): Promise<number | null> {
  await once(child, 'exit');
  return child.exitCode;
}
