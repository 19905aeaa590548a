// Restores that must fail, and that must not stand in the way of the next one.

import { readFile, truncate, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { CheckpointError } from '../../src/errors/checkpoint-error.js';
import { CRIU_42 } from '../helpers/criu-cli.js';
import { testWith } from '../helpers/needs.js';
import { startTarget } from '../helpers/target.js';
import { tempDir } from '../helpers/temp-dir.js';
import { dumpTo, restoreFrom } from '../helpers/verbs.js';

testWith([CRIU_42.here], 'a refused restore leaves no zombie of ours that keeps its pid', async () => {
  await using dir = tempDir();
  const images = dir.folder('images');
  const control = join(dir.path, 'control');
  await using target = await startTarget('memory', [control, '8', '2', '10'], { control });
  await dumpTo(images, target, {});
  await expect(
    restoreFrom(images, { notify: ({ kind }) => ({ kind: kind === 'post-restore' ? 'refuse' : 'proceed' }) }),
  ).rejects.toSatisfy((error) => CheckpointError.is(error, 'RESTORE_REFUSED'));
  const tree = await restoreFrom(images, {});
  expect(tree.pid).toBe(target.pid);
  await tree.kill();
  expect(await tree.exited).toEqual({ kind: 'signaled', signal: 9, coreDumped: false });
});

testWith([CRIU_42.here], 'restore() refuses pages that were cut short, which CRIU would read for ever', async () => {
  await using dir = tempDir();
  const images = dir.folder('images');
  const control = join(dir.path, 'control');
  await using target = await startTarget('memory', [control, '8', '2', '10'], { control });
  await dumpTo(images, target, {});
  await truncate(`${images}/pages-1.img`, 4096);
  await expect(restoreFrom(images, {})).rejects.toThrow(/pages-1\.img: it holds 4096 of \d+ bytes/);
  await expect(readFile(`${images}/restore.log`)).rejects.toThrow(/ENOENT/);
});

testWith([CRIU_42.here], 'restore() refuses a checkpoint without pstree.img, on which CRIU crashes', async () => {
  await using dir = tempDir();
  const images = dir.folder('images');
  const control = join(dir.path, 'control');
  await using target = await startTarget('memory', [control, '8', '2', '10'], { control });
  await dumpTo(images, target, {});
  await unlink(`${images}/pstree.img`);
  await expect(restoreFrom(images, {})).rejects.toSatisfy((error) => CheckpointError.is(error, 'IMAGES_CORRUPT'));
});
