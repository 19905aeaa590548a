// Chains made of a real checkpoint: verified, squashed, deduplicated, searched, compared; and what comes out restored by the plain criu.

import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { createArchive } from '../../src/archive/create/call.js';
import { dedup } from '../../src/images/dedup.js';
import { diffMemory } from '../../src/images/diff.js';
import { searchMemory } from '../../src/images/search.js';
import { squash } from '../../src/images/squash.js';
import { verifyChain } from '../../src/images/verify-chain.js';
import { runCli } from '../helpers/cli-in-process.js';
import { CRIT, CRIU_42, runCriu, tryCriu } from '../helpers/criu-cli.js';
import { testWith } from '../helpers/needs.js';
import { environmentOf } from '../helpers/procfs.js';
import { type SplitChain, splitChain, writePagemap } from '../helpers/split-chain.js';
import { readRuns } from '../helpers/stored-pages.js';
import { killTree, programOf, startTarget, type Target } from '../helpers/target.js';
import { type TempDir, tempDir } from '../helpers/temp-dir.js';
import { dumpTo } from '../helpers/verbs.js';

interface Checkpoint extends SplitChain {
  readonly images: string;
  readonly digest: unknown;
}

async function start(dir: TempDir): Promise<Target> {
  const control = join(dir.path, 'control');
  return startTarget('memory', [control, '16', '2', '5'], { control });
}

async function checkpoint(dir: TempDir, target: Target): Promise<Checkpoint> {
  const images = dir.folder('images');
  const digest = await target.ask('digest');
  await dumpTo(images, target, { criu: CRIU_42.path });
  return { images, digest, ...splitChain(dir.path, images, target.pid) };
}

testWith([CRIU_42.here], 'squash() makes a chain into what the plain criu restores alone, to the byte', async () => {
  await using dir = tempDir();
  await using target = await start(dir);
  const { child, images, digest, parentPages } = await checkpoint(dir, target);
  expect(await verifyChain(child)).toMatchObject({ depth: 2, restorable: true, parentPages, problems: [] });
  const to = join(dir.path, 'squashed');
  const report = await squash(child, to);
  expect(report).toMatchObject({ depth: 2, parentPages });
  expect(statSync(to).mode & 0o777).toBe(0o700);
  expect(readdirSync(to).filter((name) => (statSync(join(to, name)).mode & 0o077) !== 0)).toEqual([]);
  expect(readdirSync(dir.path).filter((name) => name.startsWith('.'))).toEqual([]);
  const { pages } = await diffMemory(images, to);
  expect(pages).toMatchObject({ changed: 0, cleared: 0, 'only-first': 0, 'only-second': 0 });
  expect(pages.same + pages.zero).toBe(report.pages);
  await runCriu(CRIU_42, 'restore', to, ['-d']);
  expect(await target.ask('digest')).toEqual(digest);
  await killTree(target);
  await expect(squash(child, to)).rejects.toMatchObject({ code: 'IMAGES_EXIST' });
});

testWith([CRIU_42.here], 'verifyChain() names the hole at which criu gives up', async () => {
  await using dir = tempDir();
  await using target = await start(dir);
  const { child, parent } = await checkpoint(dir, target);
  const { pagesId, runs } = readRuns(parent, target.pid);
  const left = readRuns(child, target.pid).runs.filter(({ kind }) => kind === 'parent');
  const cut = runs.findIndex(
    ({ address, pages }) =>
      left.at(-1)?.address === undefined || address + pages * 4096n > (left.at(-1)?.address ?? 0n),
  );
  writePagemap(join(parent, `pagemap-${target.pid}.img`), pagesId, runs.slice(0, cut));
  const { problems } = await verifyChain(child);
  expect(problems.at(-1)).toMatchObject({
    path: join(child, `pagemap-${target.pid}.img`),
    level: 0,
    address: `0x${left.at(-1)?.address.toString(16)}`,
  });
  expect((await tryCriu(CRIU_42, 'restore', child, ['-d'])).status).not.toBe(0);
  const to = join(dir.path, 'squashed');
  await expect(squash(child, to)).rejects.toMatchObject({ code: 'IMAGES_CORRUPT' });
  expect(existsSync(to)).toBe(false);
  truncateSync(join(parent, `pages-${pagesId}.img`), 4096);
  expect((await verifyChain(child)).problems[0]?.path).toBe(join(child, 'parent', `pages-${pagesId}.img`));
});

testWith([CRIU_42.here], 'dedup() frees what criu dedup frees', async () => {
  await using dir = tempDir();
  await using target = await start(dir);
  const { child, parent, images } = await checkpoint(dir, target);
  const theirs = dir.folder('theirs');
  for (const name of ['parent', 'child'])
    cpSync(join(dir.path, name), join(theirs, name), { recursive: true, verbatimSymlinks: true });
  const { deduplicatedPages } = await dedup(child);
  execFileSync(CRIU_42.path, ['dedup', '-D', join(theirs, 'child'), '-o', 'dedup.log']);
  const pages = `pages-${readRuns(parent, target.pid).pagesId}.img`;
  const ours = await extentsOf(join(parent, pages));
  expect(ours).toEqual(await extentsOf(join(theirs, 'parent', pages)));
  const left = ours.reduce((sum, [from = 0, until = 0]) => sum + until - from, 0);
  expect(statSync(join(parent, pages)).size - left).toBe(deduplicatedPages * 4096);
  expect((await diffMemory(images, child)).pages).toMatchObject({ changed: 0, 'only-first': 0, 'only-second': 0 });
});

testWith(
  [CRIU_42.here],
  'searchMemory() finds the environment of a task, and diffMemory() what it changed',
  async () => {
    await using dir = tempDir();
    await using target = await start(dir);
    const mark = environmentOf(target.pid).match(/FRAZIL_TARGET=[^\0]+/)?.[0] ?? '';
    const [first, second] = [dir.folder('first'), dir.folder('second')];
    await dumpTo(first, target, { criu: CRIU_42.path, leaveRunning: true });
    await target.ask('dirty 50');
    await dumpTo(second, target, { criu: CRIU_42.path });
    const { matches, truncated } = await searchMemory(first, [mark, 'nothing like this'], { context: 1 });
    expect(truncated).toBe(false);
    expect(matches.length).toBeGreaterThan(0);
    expect(matches[0]).toMatchObject({ in: { kind: 'task', id: target.pid }, pattern: 0, after: new Uint8Array(1) });
    const { images, pages } = await diffMemory(first, second);
    expect(images).toHaveLength(1);
    // Besides the fifty: stacks, counters, the socket's buffers.
    expect(pages.changed).toBeGreaterThanOrEqual(50);
    expect(pages.changed).toBeLessThan(200);
    const changed = [...(images[0]?.runs() ?? [])].filter(({ change }) => change === 'changed');
    expect(changed.reduce((sum, run) => sum + run.pages, 0)).toBe(pages.changed);
  },
);

testWith([CRIU_42.here], 'frazil images verify, search, diff, squash and dedup say what they did', async () => {
  await using dir = tempDir();
  await using target = await start(dir);
  const { child, parent, images } = await checkpoint(dir, target);
  const { pid } = target;
  expect(await runCli(['images', 'verify', child])).toMatchObject({
    status: 0,
    stdout: expect.stringMatching(/is whole.*with 1 parent/),
  });
  const found = await runCli(['images', 'search', child, 'FRAZIL_TARGET=', '--json', '--limit', '1', '--context', '4']);
  const { matches } = JSON.parse(found.stdout);
  expect(matches).toMatchObject([
    { in: { kind: 'task', id: pid }, pattern: Buffer.from('FRAZIL_TARGET=').toString('hex') },
  ]);
  expect(matches[0].after).toMatch(/^[0-9a-f]{8}$/);
  const hex = await runCli(['images', 'search', child, '--hex', matches[0].pattern, '--pid', String(pid)]);
  expect(hex.stdout).toContain(`${pid}  ${matches[0].address}  `);
  expect(await runCli(['images', 'search', child, 'nowhere to be found'])).toMatchObject({ status: 1, stdout: '' });
  expect(await runCli(['images', 'search', child, '--context', '5000', 'x'])).toMatchObject({ status: 2 });
  const diff = JSON.parse((await runCli(['images', 'diff', images, child, '--json'])).stdout);
  expect(diff.pages).toMatchObject({ changed: 0, 'only-first': 0, 'only-second': 0 });
  const runs = await runCli(['images', 'diff', parent, child, '--runs']);
  expect(runs.stdout).toMatch(new RegExp(`^task ${pid} +[\\d,]+ +[\\d,]+`, 'm'));
  expect(runs.stdout).toMatch(new RegExp(`^task ${pid}  0x[0-9a-f]+  \\d+  changed$`, 'm'));
  const to = join(dir.path, 'squashed');
  expect(await runCli(['images', 'squash', child, to])).toMatchObject({
    status: 0,
    stdout: expect.stringMatching(/2 levels in one/),
  });
  expect((await runCli(['images', 'squash', child, to])).status).toBe(1);
  expect(JSON.parse((await runCli(['images', 'dedup', child, '--json'])).stdout).deduplicatedPages).toBeGreaterThan(0);
  truncateSync(join(parent, `pagemap-${pid}.img`), 30);
  const broken = await runCli(['images', 'verify', child]);
  expect(broken).toMatchObject({ status: 1, stdout: expect.stringMatching(/parent\/pagemap-\d+\.img: /) });
});

testWith([CRIU_42.here], 'frazil images says of an archive what it says of the images in it', async () => {
  await using dir = tempDir();
  await using target = await start(dir);
  const { images, child } = await checkpoint(dir, target);
  const [packed, sealed] = [join(dir.path, 'a.tar'), join(dir.path, 'a.tar.zst.age')];
  const [passphrase, given] = ['frozen water', join(dir.path, 'given')];
  writeFileSync(given, `${passphrase}\n`);
  await createArchive(images, { to: packed }).done;
  await createArchive(images, { to: sealed, passphrase }).done;
  const said = (place: readonly string[], [verb, ...words]: readonly [string, ...string[]]) =>
    runCli(['images', verb, ...place, ...words]);
  for (const words of [
    ['ps'],
    ['fds', '--json'],
    ['mems'],
    ['rss'],
    ['search', 'FRAZIL_TARGET='],
    ['diff', child],
  ] as const) {
    const wanted = await said([images], words);
    expect(wanted.status).toBe(0);
    expect(await said([packed], words)).toEqual(wanted);
  }
  const opened = await said([sealed, '--passphrase-file', given], ['ps']);
  expect(opened).toEqual(await said([images], ['ps']));
  expect(await said([sealed], ['ps'])).toMatchObject({ status: 1, stderr: expect.stringContaining('it is encrypted') });
  const found = await said([packed], ['search', 'FRAZIL_TARGET=', '--json', '--limit', '1']);
  expect(JSON.parse(found.stdout).imagesDir).toBe(packed);
  truncateSync(packed, statSync(packed).size - 4096);
  expect(await said([packed], ['ps'])).toMatchObject({ status: 1, stderr: expect.stringContaining(packed) });
});

testWith([CRIU_42.here], 'frazil images decode prints pagemaps natively as crit does', async () => {
  await using dir = tempDir();
  await using target = await start(dir);
  const { child, parent } = await checkpoint(dir, target);
  for (const folder of [child, parent]) {
    const image = join(folder, `pagemap-${target.pid}.img`);
    for (const form of [[], ['--pretty']]) {
      const [ours, theirs] = [join(dir.path, 'ours'), join(dir.path, 'theirs')];
      expect(await runCli(['images', 'decode', '-i', image, '-o', ours, ...form])).toMatchObject({ status: 0 });
      execFileSync(CRIT, ['decode', '-i', image, '-o', theirs, ...form]);
      expect(readFileSync(ours, 'utf8')).toBe(readFileSync(theirs, 'utf8'));
    }
  }
});

// What of a file is data: begin and end of each stretch.
async function extentsOf(file: string): Promise<readonly (readonly number[])[]> {
  const lines = execFileSync(await programOf('extents'), [file], { encoding: 'utf8' }).split('\n');
  return lines.filter(Boolean).map((line) => line.split(' ').map(Number));
}
