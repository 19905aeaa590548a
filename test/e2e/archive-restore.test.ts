// A tree comes back from an archive: of an images directory that GNU tar has packed, under any compression, from a file or a stream, with the
// memory that it had.

import { execFileSync } from 'node:child_process';
import { createReadStream, existsSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { type Archive, archive } from '../../src/archive/archive.js';
import { restore } from '../../src/criu/restore.js';
import { CRIU_42 } from '../helpers/criu-cli.js';
import { need, testWith } from '../helpers/needs.js';
import { home } from '../helpers/prefix.js';
import { killTree, startTarget } from '../helpers/target.js';
import { tempDir } from '../helpers/temp-dir.js';
import { dumpTo } from '../helpers/verbs.js';

const ZSTD = join(home, 'lab/usr/bin/zstd');
const zstd = need('zstd in the private prefix', !existsSync(ZSTD) && `no ${ZSTD}; run scripts/setup --lab`);

const WAYS = [
  {
    what: 'a plain tar of the folder',
    args: ['-C', 'images', '-cf', 'a.tar', '.'],
    from: (path: string) => archive(path),
    needs: [],
  },
  {
    what: 'gzip, as a stream',
    args: ['-czf', 'a.tar', 'images'],
    from: (path: string) => archive(createReadStream(path)),
    needs: [],
  },
  {
    what: 'zstd',
    args: [`--use-compress-program=${ZSTD}`, '--transform=s,^images,checkpoint,', '-cf', 'a.tar', 'images'],
    from: (path: string) => archive(path),
    needs: [zstd],
  },
];

for (const { what, args, from, needs } of WAYS) {
  testWith([CRIU_42.here, ...needs], `restore() of an archive by GNU tar: ${what}`, async () => {
    await using dir = tempDir();
    const control = join(dir.path, 'control');
    await using target = await startTarget('memory', [control, '8', '4', '3'], { control });
    const before = await target.ask('digest');
    await dumpTo(dir.folder('images'), target, {});
    execFileSync('tar', args, { cwd: dir.path });
    const left = leftovers();
    const tree = await restore(from(join(dir.path, 'a.tar'))).done;
    expect(await target.ask('digest')).toEqual(before);
    expect(leftovers()).toEqual(left);
    await killTree(target, tree);
  });
}

testWith([CRIU_42.here], 'restore() refuses an archive without a checkpoint, and one that is cut short', async () => {
  await using dir = tempDir();
  dir.folder('empty');
  execFileSync('tar', ['-cf', 'a.tar', 'empty'], { cwd: dir.path });
  const failed = (given: Archive): Promise<unknown> => restore(given).done.catch((reason: unknown) => reason);
  const left = leftovers();
  expect(await failed(archive(join(dir.path, 'a.tar')))).toMatchObject({
    code: 'ARCHIVE_CORRUPT',
    message: expect.stringContaining('inventory.img is missing'),
  });
  execFileSync('truncate', ['-s', '700', 'a.tar'], { cwd: dir.path });
  expect(await failed(archive(join(dir.path, 'a.tar')))).toMatchObject({ code: 'ARCHIVE_CORRUPT' });
  expect(leftovers()).toEqual(left);
});

function leftovers(): readonly string[] {
  return readdirSync(tmpdir()).filter((name) => name.startsWith('frazil-restore-'));
}
