// Pre-dumps as they are typed. Where the kernel tracks changed memory, a chain of them; where it does not, a refusal. `scripts/lab npm run
// test:e2e -- pre-dump` runs the one, and the softdirty tier runs it too.

import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { BUILT } from '../helpers/built.js';
import { type Link, startDirtier, takeChain, type Verified } from '../helpers/chain.js';
import { CRIU_42 } from '../helpers/criu-cli.js';
import { impossible, testWith } from '../helpers/needs.js';
import { SOFT_DIRTY } from '../helpers/soft-dirty.js';
import { tempDir } from '../helpers/temp-dir.js';
import { looksWhole } from '../helpers/verbs.js';
import { runProgram } from '../integration/cli/programs.js';

const tracks = SOFT_DIRTY.missing === undefined;
const TRACKED = impossible('a kernel with soft-dirty tracking', tracks ? undefined : 'scripts/lab has one');
const UNTRACKED = impossible('a kernel without soft-dirty tracking', tracks ? 'this one has it' : undefined);

testWith(
  [CRIU_42.here, BUILT, TRACKED],
  'pre-dump, pre-dump, dump, restore bring back what the memory held',
  async () => {
    await using dir = tempDir('tmpfs');
    await using target = await startDirtier(dir);
    const reports: { bytesWritten: number; imagesDir: string }[] = [];
    const take = async ({ verb, pid, images, parent }: Link): Promise<void> => {
      const chained = parent === undefined ? [] : ['--prev-images-dir', parent];
      const argv = [verb, '-t', String(pid), '-D', images, '--track-mem', ...chained, '--json'];
      const ran = await runProgram('frazil', argv);
      expect(ran, ran.stderr).toMatchObject({ status: 0 });
      reports.push(JSON.parse(ran.stdout));
    };
    const { links, before } = await takeChain(dir, target, take);
    const last = links.at(-1)?.images ?? '';
    expect(reports.map(({ imagesDir }) => imagesDir)).toEqual(links.map(({ images }) => images));
    // Each link after the first stores what has changed, and nothing else.
    for (const { bytesWritten } of reports.slice(1)) expect(bytesWritten).toBeLessThan(reports[0]?.bytesWritten ?? 0);
    const restored = await runProgram('frazil', ['restore', '-D', last, '-d', '--json']);
    expect(restored, restored.stderr).toMatchObject({ status: 0 });
    expect(JSON.parse(restored.stdout)).toMatchObject({ pid: target.pid });
    expect(await target.ask<Verified>('verify')).toEqual(before);
  },
);

testWith([CRIU_42.here, BUILT, UNTRACKED], 'a kernel that cannot is named before anything is frozen', async () => {
  await using dir = tempDir();
  await using target = await startDirtier(dir);
  const images = dir.folder('images');
  const ran = await runProgram('frazil', ['pre-dump', '-t', String(target.pid), '-D', images]);
  // The machine cannot. CRIU 4.2 aborts, with the tree frozen: BUG at criu/mem.c:46.
  expect(ran.status).toBe(3);
  expect(ran.stderr).toMatch(/soft-dirty|CONFIG_MEM_SOFT_DIRTY/);
  expect(looksWhole(images)).toBe(false);
  expect(readdirSync(images).filter((name) => name.startsWith('.frazil'))).toEqual([]);
  expect(existsSync(join(images, 'pages-1.img'))).toBe(false);
  expect((await target.ask<Verified>('verify')).broken).toBe(0);
});
