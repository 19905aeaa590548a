// Lazy restore: the tree runs first, its memory comes behind it.

import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { CRIUS } from '../helpers/criu-cli.js';
import { testWith } from '../helpers/needs.js';
import { killTree, startTarget } from '../helpers/target.js';
import { tempDir } from '../helpers/temp-dir.js';
import { dumpTo, restoreFrom } from '../helpers/verbs.js';

describe.each(CRIUS)('with criu $name', (criu) => {
  testWith([criu.here], 'every page of 500 MB is what it was, while it is being filled', async () => {
    await using dir = tempDir();
    const control = join(dir.path, 'control');
    const images = dir.folder('images');
    await using target = await startTarget('memory', [control, '500', '4', '5'], { control });
    const before = await target.ask('digest');
    await dumpTo(images, target, { criu: criu.path });
    const tree = await restoreFrom(images, { criu: criu.path, lazy: true });
    expect(await target.ask('digest')).toEqual(before);
    expect(await target.ask('threads')).toEqual({ threads: 4, alive: 4 });
    const report = await tree.filling?.done;
    expect(report?.bytes.total).toBeGreaterThan(400 * 2 ** 20);
    expect(await target.ask('digest')).toEqual(before);
    await killTree(target, tree);
  });
});
