// CRIU's dump marks no page of a task as lazy when the stack pointer of one of its threads is a multiple of the page size (src/images/unmarked.ts). Such
// a checkpoint is restored as lazily as any other.

import { dirname, join } from 'node:path';
import { describe, expect } from 'vitest';
import { archive } from '../../src/archive/archive.js';
import { createArchive } from '../../src/archive/create/call.js';
import { restore } from '../../src/criu/restore.js';
import { imagesDirectory } from '../../src/criu/target.js';
import { CRIUS } from '../helpers/criu-cli.js';
import { checkpointOfFaults, type Lazily } from '../helpers/lazily.js';
import { watchLeaks } from '../helpers/leaks.js';
import { testWith } from '../helpers/needs.js';
import { killTree } from '../helpers/target.js';

const MEGABYTES = 64;
const MOST_OF_IT = (MEGABYTES - 1) * 2 ** 20;
const SLOWLY = { bytesPerSecond: 16 * 2 ** 20 };

const SOURCES = {
  'an images directory': async ({ images }: Lazily) => imagesDirectory(images),
  'an archive': async ({ images }: Lazily) => {
    const path = join(dirname(images), 'a.tar.zst');
    await createArchive(images, { to: path, compress: 'zstd' }).done;
    return archive(path);
  },
};

describe.each(CRIUS)('with criu $name', (criu) => {
  for (const [what, sourceOf] of Object.entries(SOURCES)) {
    testWith([criu.here], `a task with an aligned stack pointer comes lazily out of ${what}`, async () => {
      await using lazily = await checkpointOfFaults(criu.path, MEGABYTES, ['align']);
      const source = await sourceOf(lazily);
      const leaks = watchLeaks();
      const tree = await restore(source, { criu: criu.path, lazy: SLOWLY }).done;
      for (const question of ['check 4', 'together 2'])
        expect([question, await lazily.target.ask(question)]).toEqual([question, { broken: 0 }]);
      const report = await tree.filling?.done;
      expect(report?.bytes.total).toBeGreaterThan(MOST_OF_IT);
      expect(report?.faults).toBeGreaterThan(10);
      await killTree(lazily.target, tree);
      await leaks.expectNothingLeft(lazily.images);
    });
  }

  testWith([criu.here], 'copies of it, too', async () => {
    await using lazily = await checkpointOfFaults(criu.path, 8, ['align']);
    await using copies = await restore(imagesDirectory(lazily.images), { criu: criu.path, copies: 2 }).done.then(
      ({ trees, filling }) => ({
        filling,
        [Symbol.asyncDispose]: async () => {
          for (const tree of trees) await tree.kill().then(() => tree.exited);
        },
      }),
    );
    const { bytes } = await copies.filling.done;
    expect(bytes.total).toBeGreaterThan(2 * 7 * 2 ** 20);
  });
});
