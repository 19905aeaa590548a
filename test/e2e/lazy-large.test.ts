// A tree of 4 GB looks at every page while it is being filled.

import { readFileSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, vi } from 'vitest';
import { CRIU_42 } from '../helpers/criu-cli.js';
import { need, testWith } from '../helpers/needs.js';
import { killTree, startTarget } from '../helpers/target.js';
import { tempDir } from '../helpers/temp-dir.js';
import { dumpTo, restoreFrom } from '../helpers/verbs.js';

// Filled, dumped, and looked at three times.
vi.setConfig({ testTimeout: 600_000 });

const MEBIBYTE = 2 ** 20;
const GIBIBYTE = 2 ** 30;
const SIZE = 4 * GIBIBYTE;
// What the rest of the machine does meanwhile needs some, too.
const SPARE = 2 * GIBIBYTE;

function availableMemory(): number {
  const [, kibibytes = '0'] = /^MemAvailable:\s+(\d+) kB$/m.exec(readFileSync('/proc/meminfo', 'utf8')) ?? [];
  return Number(kibibytes) * 1024;
}

function availableDisk(): number {
  const { bavail, bsize } = statfsSync(tmpdir());
  return bavail * bsize;
}

function room(what: string, available: number): ReturnType<typeof need> {
  const gibibytes = (bytes: number): string => `${(bytes / GIBIBYTE).toFixed(1)} GiB`;
  const wanted = SIZE + SPARE;
  return need(`${gibibytes(wanted)} of free ${what}`, available < wanted && `there are ${gibibytes(available)}`);
}

testWith(
  [CRIU_42.here, room('memory', availableMemory()), room(`disk in ${tmpdir()}`, availableDisk())],
  'every page of 4 GB is what it was, while it is being filled',
  async () => {
    await using dir = tempDir();
    const control = join(dir.path, 'control');
    const images = dir.folder('images');
    await using target = await startTarget('memory', [control, String(SIZE / MEBIBYTE), '2', '5'], { control });
    const before = await target.ask('digest');
    await dumpTo(images, target, { criu: CRIU_42.path });
    const tree = await restoreFrom(images, { criu: CRIU_42.path, lazy: true });
    expect(await target.ask('digest')).toEqual(before);
    const report = await tree.filling?.done;
    // Every fifth page is zero, and half of those were never touched.
    expect(report?.bytes.total).toBeGreaterThan(0.88 * SIZE);
    expect(report?.faults).toBeGreaterThan(0);
    expect(await target.ask('digest')).toEqual(before);
    await killTree(target, tree);
  },
);
