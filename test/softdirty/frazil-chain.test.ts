// Two pre-dumps and a dump by Frazil: they restore to what the memory held, and they store what criu's own page server stores.

import { execFileSync } from 'node:child_process';
import { existsSync, readlinkSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { dump } from '../../src/criu/dump.js';
import { preDump } from '../../src/criu/pre-dump.js';
import { imagesDirectory } from '../../src/criu/target.js';
import { byPageServer, type Link, startDirtier, summary, takeChain, type Verified } from '../helpers/chain.js';
import { CRIT, CRIU_41, CRIU_42, type RealCriu, runCriu } from '../helpers/criu-cli.js';
import { watchLeaks } from '../helpers/leaks.js';
import { testWith } from '../helpers/needs.js';
import { SOFT_DIRTY } from '../helpers/soft-dirty.js';
import { killTree } from '../helpers/target.js';
import { tempDir } from '../helpers/temp-dir.js';
import { looksWhole, restoreFrom } from '../helpers/verbs.js';

/** Takes a link with Frazil. */
function byFrazil(criu: RealCriu, options: { autoDedup: boolean }): (link: Link) => Promise<void> {
  return async ({ verb, pid, images, parent }) => {
    const call = {
      to: imagesDirectory(images),
      criu: criu.path,
      ...options,
      ...(parent === undefined ? {} : { parent }),
    };
    await (verb === 'dump' ? dump(pid, { ...call, trackMem: true }) : preDump(pid, call)).done;
  };
}

describe.each([CRIU_42, CRIU_41])('with criu $name', (criu) => {
  testWith([criu.here, SOFT_DIRTY], 'a chain with auto-dedup is what the page server of criu makes of it', async () => {
    await using theirs = tempDir('tmpfs');
    await using ours = tempDir('tmpfs');
    await using first = await startDirtier(theirs);
    const byTheirs = await takeChain(theirs, first, byPageServer(criu, { autoDedup: true }));
    await using second = await startDirtier(ours);
    const byOurs = await takeChain(ours, second, byFrazil(criu, { autoDedup: true }));
    expect(byOurs.before).toEqual(byTheirs.before);
    expect(withoutMorePunched(byOurs.stored, byTheirs.stored).map(summary)).toEqual(byTheirs.stored.map(summary));
    expect(byOurs.links.map(({ images }) => parentOf(images))).toEqual([undefined, '../0', '../1']);
    const tree = await restoreFrom(byOurs.links.at(-1)?.images ?? '', { criu: criu.path });
    expect(await second.ask<Verified>('verify')).toEqual(byOurs.before);
    await killTree(second, tree);
  });
});

testWith(
  [CRIU_42.here, SOFT_DIRTY],
  'a chain without auto-dedup restores with the plain criu, and crit reads it',
  async () => {
    await using dir = tempDir('tmpfs');
    await using target = await startDirtier(dir);
    const leaks = watchLeaks();
    const chain = await takeChain(dir, target, byFrazil(CRIU_42, { autoDedup: false }));
    for (const { images } of chain.links) await leaks.expectNothingLeft(images);
    expect(chain.stored.flat()).not.toContain('punched');
    const last = chain.links.at(-1)?.images ?? '';
    await runCriu(CRIU_42, 'restore', last, ['-d']);
    expect(await target.ask<Verified>('verify')).toEqual(chain.before);
    const pagemap = JSON.parse(
      execFileSync(CRIT, ['decode', '--pretty', '-i', join(last, `pagemap-${target.pid}.img`)], { encoding: 'utf8' }),
    );
    expect(pagemap).toMatchObject({ magic: 'PAGEMAP' });
    expect(JSON.stringify(pagemap)).toContain('PE_PARENT');
  },
);

testWith([CRIU_42.here, SOFT_DIRTY], 'a chain of pre-dumps is restored lazily, parents and all', async () => {
  await using dir = tempDir('tmpfs');
  await using target = await startDirtier(dir);
  const chain = await takeChain(dir, target, byFrazil(CRIU_42, { autoDedup: false }));
  const last = chain.links.at(-1)?.images ?? '';
  const tree = await restoreFrom(last, { lazy: { bytesPerSecond: 2 ** 20 } });
  expect(await target.ask<Verified>('verify')).toEqual(chain.before);
  const report = await tree.filling?.done;
  // More than the last link has itself.
  const own = (chain.stored.at(-1) ?? []).filter((kind) => kind === 'data').length;
  expect(report?.bytes.total).toBeGreaterThan(2 * own * 4096);
  expect(await target.ask<Verified>('verify')).toEqual(chain.before);
  await killTree(target, tree);
});

testWith([CRIU_42.here, SOFT_DIRTY], 'pages that are touched while a pre-dump runs are in the next link', async () => {
  await using dir = tempDir('tmpfs');
  await using target = await startDirtier(dir);
  const [first, second] = [dir.folder('first'), dir.folder('second')];
  await target.ask('run');
  await preDump(target.pid, { to: imagesDirectory(first) }).done;
  const before = await target.ask<Verified>('verify');
  const report = await dump(target.pid, { to: imagesDirectory(second), parent: '../first', trackMem: true }).done;
  expect(report.pagesSkippedParent).toBeGreaterThan(0);
  const tree = await restoreFrom(second, {});
  expect(await target.ask<Verified>('verify')).toEqual(before);
  await killTree(target, tree);
});

testWith([CRIU_42.here, SOFT_DIRTY], 'a parent that is missing is refused before anything is frozen', async () => {
  await using dir = tempDir('tmpfs');
  await using target = await startDirtier(dir);
  const images = dir.folder('images');
  const call = { to: imagesDirectory(images), parent: '../nowhere' };
  await expect(preDump(target.pid, call).done).rejects.toMatchObject({ code: 'IMAGES_CORRUPT' });
  await expect(dump(target.pid, { ...call, trackMem: true }).done).rejects.toMatchObject({ code: 'IMAGES_CORRUPT' });
  expect(looksWhole(images)).toBe(false);
  expect((await target.ask<Verified>('verify')).broken).toBe(0);
});

testWith(
  [CRIU_42.here, SOFT_DIRTY],
  'a parent that goes missing before the restore is a refusal, not a wrong memory',
  async () => {
    await using dir = tempDir('tmpfs');
    await using target = await startDirtier(dir);
    const chain = await takeChain(dir, target, byFrazil(CRIU_42, { autoDedup: false }));
    rmSync(chain.links[1]?.images ?? '', { recursive: true });
    const code = expect.stringMatching(/^(RESTORE_REFUSED|IMAGES_CORRUPT)$/);
    await expect(restoreFrom(chain.links.at(-1)?.images ?? '', {})).rejects.toMatchObject({ code });
    expect(target.alive()).toBe(false);
  },
);

testWith([CRIU_42.here, SOFT_DIRTY], 'an aborted pre-dump leaves the chain as it was', async () => {
  await using dir = tempDir('tmpfs');
  await using target = await startDirtier(dir);
  const [first, second, third] = [dir.folder('first'), dir.folder('second'), dir.folder('third')];
  await preDump(target.pid, { to: imagesDirectory(first) }).done;
  await target.ask('touch 10 20');
  const abort = new AbortController();
  const work = preDump(target.pid, { to: imagesDirectory(second), parent: '../first', signal: abort.signal });
  abort.abort();
  await expect(work.done).rejects.toMatchObject({ code: 'ABORTED' });
  expect(looksWhole(second)).toBe(false);
  const before = await target.ask<Verified>('verify');
  await dump(target.pid, { to: imagesDirectory(third), parent: '../first', trackMem: true }).done;
  const tree = await restoreFrom(third, {});
  expect(await target.ask<Verified>('verify')).toEqual(before);
  await killTree(target, tree);
});

type StoredPages = readonly (string | undefined)[];

/**
 * CRIU frees in an ancestor only what is overwritten where the link in between has the page too. Frazil may free more: whatever a later
 * link has anew. Such pages of `ours` are shown as in `theirs`.
 */
function withoutMorePunched(ours: readonly StoredPages[], theirs: readonly StoredPages[]): StoredPages[] {
  const overwritten = (page: number, link: number) => ours.slice(link + 1).some((later) => later[page] === 'data');
  return ours.map((pages, link) =>
    pages.map((kind, page) => (kind === 'punched' && overwritten(page, link) ? theirs[link]?.[page] : kind)),
  );
}

function parentOf(images: string): string | undefined {
  const link = join(images, 'parent');
  return existsSync(link) ? readlinkSync(link) : undefined;
}
