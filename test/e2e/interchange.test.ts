// Our images directories are CRIU's: what one writes the other restores, and crit reads it.

import { execFile } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect } from 'vitest';
import { CRIT, CRIU_42, CRIUS, runCriu } from '../helpers/criu-cli.js';
import { need, testWith } from '../helpers/needs.js';
import { waitGone } from '../helpers/procfs.js';
import { killTree, startTarget } from '../helpers/target.js';
import { tempDir } from '../helpers/temp-dir.js';
import { dumpTo, restoreFrom } from '../helpers/verbs.js';

const crit = need('crit in the private prefix', !existsSync(CRIT) && `no ${CRIT}; run scripts/setup`);

for (const dumper of CRIUS) {
  for (const restorer of CRIUS) {
    testWith(
      [dumper.here, restorer.here],
      `dumped by Frazil over ${dumper.name}, restored by criu ${restorer.name}`,
      async () => {
        await using dir = tempDir();
        const control = join(dir.path, 'control');
        const images = dir.folder('images');
        await using target = await startTarget('memory', [control, '8', '4', '3'], { control });
        const before = await target.ask('digest');
        await dumpTo(images, target, { criu: dumper.path });
        await runCriu(restorer, 'restore', images, ['-d']);
        expect(await target.ask('digest')).toEqual(before);
        await killTree(target);
      },
    );

    // CRIU 4.1 does not find 4.2's page counts. In Frazil's directories it does, for they are written in both forms.
    if (dumper.name === '4.2' && restorer.name === '4.1') continue;
    testWith(
      [dumper.here, restorer.here],
      `dumped by criu ${dumper.name}, restored by Frazil over ${restorer.name}`,
      async () => {
        await using dir = tempDir();
        const control = join(dir.path, 'control');
        const images = dir.folder('images');
        await using target = await startTarget('memory', [control, '8', '4', '3'], { control });
        const before = await target.ask('digest');
        const pids = target.tree();
        await runCriu(dumper, 'dump', images, ['-t', String(target.pid)]);
        await waitGone(pids);
        const tree = await restoreFrom(images, { criu: restorer.path });
        expect(await target.ask('digest')).toEqual(before);
        await killTree(target, tree);
      },
    );
  }
}

testWith(
  [CRIU_42.here],
  'shared memory, a ghost file and locks survive a dump by Frazil and a restore by criu',
  async () => {
    await using dir = tempDir();
    const control = join(dir.path, 'control');
    const images = dir.folder('images');
    await using target = await startTarget('tree', [control, dir.folder('files')], { control });
    await dumpTo(images, target, { fileLocks: true });
    await runCriu(CRIU_42, 'restore', images, ['-d', '--file-locks']);
    expect((await target.verify()).failed).toEqual([]);
    await killTree(target);
  },
);

describe('crit', () => {
  testWith([CRIU_42.here, crit], 'decodes every image file of a dump, and explores it', async () => {
    await using dir = tempDir();
    const control = join(dir.path, 'control');
    const images = dir.folder('images');
    await using target = await startTarget('memory', [control, '2', '1', '3'], { control });
    await dumpTo(images, target, {});
    const raw = /^pages-|^(iptables|ip6tables|route|route6|rule|ifaddr|nftables|netns-ct|netns-exp)-|\.tar\.gz/;
    const files = readdirSync(images).filter((name) => name.endsWith('.img') && !raw.test(name));
    expect(files.length).toBeGreaterThan(10);
    const decoded = await Promise.all(files.map((name) => runCrit(['decode', '-i', join(images, name)])));
    for (const text of decoded) expect(JSON.parse(text)).toHaveProperty('magic');
    const pagemap = JSON.parse(await runCrit(['decode', '-i', join(images, `pagemap-${target.pid}.img`)]));
    expect(pagemap).toMatchObject({ magic: 'PAGEMAP' });
    expect(await runCrit(['x', images, 'ps'])).toContain(String(target.pid));
    expect(await runCrit(['x', images, 'mems'])).toContain('memory');
    expect(await runCrit(['x', images, 'fds'])).toContain('/dev/null');
  });
});

async function runCrit(words: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(CRIT, words, { maxBuffer: 1 << 26 });
  return stdout;
}
