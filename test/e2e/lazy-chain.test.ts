// Lazy restore of checkpoints with parents: what lies in a parent comes lazily, too.

import { appendFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { CRIU_42, CRIUS, type RealCriu } from '../helpers/criu-cli.js';
import { watchLeaks } from '../helpers/leaks.js';
import { testWith } from '../helpers/needs.js';
import { type SplitChain, splitChain } from '../helpers/split-chain.js';
import { killTree, startTarget, type Target } from '../helpers/target.js';
import { tempDir } from '../helpers/temp-dir.js';
import { dumpTo, restoreFrom } from '../helpers/verbs.js';

const MEBIBYTE = 2 ** 20;
const PAGE = 4096;

interface Split extends AsyncDisposable {
  readonly target: Target;
  readonly chain: SplitChain;
  readonly before: unknown;
}

/** A tree of `megabytes`, dumped and split into a level and its parent, which has half of the pages. */
async function split(criu: RealCriu, megabytes: number): Promise<Split> {
  const dir = tempDir();
  const control = join(dir.path, 'control');
  const images = dir.folder('images');
  const target = await startTarget('memory', [control, `${megabytes}`, '2', '5'], { control });
  const before = await target.ask('digest');
  await dumpTo(images, target, { criu: criu.path });
  const chain = splitChain(dir.path, images, target.pid);
  rmSync(images, { recursive: true });
  return {
    target,
    chain,
    before,
    async [Symbol.asyncDispose]() {
      await target[Symbol.asyncDispose]();
      await dir[Symbol.asyncDispose]();
    },
  };
}

describe.each(CRIUS)('with criu $name', (criu) => {
  testWith([criu.here], 'what lies in the parent is filled behind the running tree, from there', async () => {
    await using made = await split(criu, 96);
    const { target, chain, before } = made;
    expect(chain.parentPages * PAGE).toBeGreaterThan(16 * MEBIBYTE);
    const leaks = watchLeaks();
    const tree = await restoreFrom(chain.child, { criu: criu.path, lazy: { bytesPerSecond: 64 * MEBIBYTE } });
    expect(await target.ask('digest')).toEqual(before);
    const report = await tree.filling?.done;
    // Both halves: every fifth page is zero, and half of those were never touched.
    expect(report?.bytes.total).toBeGreaterThan(80 * MEBIBYTE);
    expect(report?.faults).toBeGreaterThan(8);
    expect(await target.ask('digest')).toEqual(before);
    await killTree(target, tree);
    await leaks.expectNothingLeft(chain.child);
  });
});

describe('a chain that is broken', () => {
  const BROKEN: readonly (readonly [string, (chain: SplitChain) => void, RegExp])[] = [
    [
      'has no parent',
      ({ parent }) => rmSync(parent, { recursive: true }),
      /child\/parent: the link leads to no directory/,
    ],
    [
      'leads to itself',
      ({ parent }) => symlinkSync('../child', join(parent, 'parent')),
      /child\/parent\/parent: the links lead in a circle/,
    ],
    [
      'has a parent whose pages are cut short',
      ({ parent }) => truncateSync(join(parent, 'pages-1.img'), 8 * PAGE),
      /child\/parent\/pages-1\.img: it holds 32768 of \d+ bytes/,
    ],
    [
      'has a parent whose pagemap is none',
      ({ parent, pid }) => writeFileSync(join(parent, `pagemap-${pid}.img`), 'of no use'),
      /child\/parent\/pagemap-\d+\.img: it is no pagemap/,
    ],
    [
      'has a parent without the task',
      ({ parent, pid }) => rmSync(join(parent, `pagemap-${pid}.img`)),
      /child\/pagemap-\d+\.img: \d+ pages? at 0x[0-9a-f]+ are to be in a parent, and no parent has them/,
    ],
  ];

  testWith([CRIU_42.here], 'is refused before anything runs, and the error names the level', async () => {
    for (const [, damage, message] of BROKEN) {
      await using made = await split(CRIU_42, 8);
      damage(made.chain);
      const refused = restoreFrom(made.chain.child, { lazy: true });
      await expect(refused).rejects.toMatchObject({ code: 'IMAGES_CORRUPT', message: expect.stringMatching(message) });
      expect(made.target.alive()).toBe(false);
    }
  });

  const harms: readonly (readonly [string, (file: string) => void])[] = [
    ['cut short', (file) => truncateSync(file, 8 * PAGE)],
    ['written to', (file) => appendFileSync(file, 'more')],
  ];
  for (const [what, harm] of harms) {
    testWith([CRIU_42.here], `or ${what} during the fill ends the tree, and the error names the level`, async () => {
      await using made = await split(CRIU_42, 64);
      const { target, chain } = made;
      const tree = await restoreFrom(chain.child, { lazy: { bytesPerSecond: 8 * MEBIBYTE } });
      harm(join(chain.parent, 'pages-1.img'));
      const failed = {
        code: 'LAZY_FAILED',
        message: expect.stringMatching(/page 0x\w+ of process \d+ in "parent" cannot be/),
      };
      await expect(tree.filling?.done).rejects.toMatchObject(failed);
      await tree.exited;
      expect(target.alive()).toBe(false);
    });
  }
});
