// A lazy restore out of an archive: only its index, its small images and what CRIU restores itself are read before the tree runs.

import {
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect } from 'vitest';
import { archive, type Compress } from '../../src/archive/archive.js';
import { createArchive } from '../../src/archive/create/call.js';
import { type LazyOptions, type RestoreCall, restore } from '../../src/criu/restore.js';
import type { Tree } from '../../src/criu/tree.js';
import { CRIU_42 } from '../helpers/criu-cli.js';
import { checkpointOfFaults, type Lazily } from '../helpers/lazily.js';
import { watchLeaks } from '../helpers/leaks.js';
import { testWith } from '../helpers/needs.js';
import { killTree } from '../helpers/target.js';
import { until } from '../helpers/until.js';

const MEGABYTES = 64;
const SLOWLY: LazyOptions = { bytesPerSecond: 16 * 2 ** 20 };

async function pack({ images }: Lazily, compress: Compress): Promise<string> {
  const path = join(dirname(images), `a.${compress}`);
  await createArchive(images, { to: path, compress }).done;
  return path;
}

/** With the phases that were seen on the way. */
async function unpack(path: string, call: RestoreCall): Promise<{ readonly tree: Tree; readonly phases: Set<string> }> {
  const run = restore(archive(path), { criu: CRIU_42.path, ...call });
  const phases = new Set<string>();
  for await (const { phase } of run) phases.add(phase);
  return { tree: await run.done, phases };
}

/** In the midst of the file lie pages of the arena. */
function overwriteMiddle(path: string): void {
  const file = openSync(path, 'r+');
  writeSync(file, Buffer.alloc(2 ** 20, 0xff), 0, 2 ** 20, Math.floor(statSync(path).size / 2));
  closeSync(file);
}

describe.each<Compress>(['none', 'zstd', 'lz4'])('an archive, compression %s', (compress) => {
  testWith([CRIU_42.here], 'serves the faults of a tree that reads, moves, forks and gives up its memory', async () => {
    await using lazily = await checkpointOfFaults(CRIU_42.path, MEGABYTES);
    const path = await pack(lazily, compress);
    const leaks = watchLeaks();
    const { tree, phases } = await unpack(path, { lazy: SLOWLY });
    // Nobody has read it to its end before.
    expect([...phases]).not.toContain('reading');
    for (const question of ['check 4', 'together 2'])
      expect([question, await lazily.target.ask(question)]).toEqual([question, { broken: 0 }]);
    const report = await tree.filling?.done;
    expect(report?.faults).toBeGreaterThan(10);
    expect(report?.bytes.total).toBeGreaterThan((MEGABYTES - 1) * 2 ** 20);
    expect(await lazily.target.ask('check 2')).toEqual({ broken: 0 });
    await killTree(lazily.target, tree);
    await leaks.expectNothingLeft(lazily.images);
  });

  const harms: readonly (readonly [string, RegExp, (path: string) => void])[] = [
    // Whichever is seen first: that it has changed, or that its frames are damaged or gone.
    ['written to', /^(ESTALE|EBADMSG)$/, overwriteMiddle],
    ['cut short', /^(ENODATA|ESTALE)$/, (path) => truncateSync(path, 2 ** 20)],
  ];
  for (const [what, errno, harm] of harms) {
    testWith([CRIU_42.here], `that is ${what} ends the tree, with the page and its name`, async () => {
      await using lazily = await checkpointOfFaults(CRIU_42.path, MEGABYTES, ['read']);
      const path = await pack(lazily, compress);
      const { tree } = await unpack(path, { lazy: { bytesPerSecond: 2 ** 20 } });
      harm(path);
      await expect(tree.filling?.done).rejects.toMatchObject({
        code: 'LAZY_FAILED',
        message: expect.stringContaining(path),
        detail: { fault: 'source', errno: expect.stringMatching(errno), vaddr: expect.stringMatching(/^0x/) },
      });
      expect(await tree.exited).toMatchObject({ kind: 'signaled', signal: 9 });
      await until('nothing is left', () => lazily.tasks().length === 0);
      expect(existsSync(`${lazily.control}.broken`)).toBe(false);
    });
  }
});

testWith([CRIU_42.here], 'a damaged frame ends the tree: never zeros, and never other bytes', async () => {
  await using lazily = await checkpointOfFaults(CRIU_42.path, MEGABYTES);
  const path = await pack(lazily, 'zstd');
  const bytes = readFileSync(path);
  // In the midst of the file lie pages of the arena.
  const middle = Math.floor(statSync(path).size / 2);
  bytes.fill(0xff, middle, middle + 16);
  writeFileSync(path, bytes);
  // The background comes to it long after CRIU has answered.
  const { tree } = await unpack(path, { lazy: SLOWLY });
  await expect(tree.filling?.done).rejects.toMatchObject({
    code: 'LAZY_FAILED',
    message: expect.stringContaining('the frame that it lies in is damaged'),
    detail: { fault: 'source', errno: 'EBADMSG' },
  });
  expect(await tree.exited).toMatchObject({ kind: 'signaled', signal: 9 });
});

testWith(
  [CRIU_42.here],
  'one that can only be read from its beginning is read first, and filled from there',
  async () => {
    await using lazily = await checkpointOfFaults(CRIU_42.path, MEGABYTES);
    const { tree, phases } = await unpack(await pack(lazily, 'gzip'), { lazy: SLOWLY });
    expect([...phases]).toContain('reading');
    expect(await lazily.target.ask('check 4')).toEqual({ broken: 0 });
    await tree.filling?.done;
    await killTree(lazily.target, tree);
  },
);
