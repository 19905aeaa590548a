// sync: true reaches the disk: every file of the checkpoint, and the directory.

import { readdirSync, readlinkSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { afterEach, describe, expect, vi } from 'vitest';
import { CRIU_42 } from '../helpers/criu-cli.js';
import { testWith } from '../helpers/needs.js';
import { startTarget } from '../helpers/target.js';
import { tempDir } from '../helpers/temp-dir.js';
import { dumpTo } from '../helpers/verbs.js';

afterEach(() => vi.restoreAllMocks());

async function followSyncs(): Promise<readonly string[]> {
  const seen: string[] = [];
  const handle = await open('/dev/null');
  const prototype: FileHandle = Object.getPrototypeOf(handle);
  await handle.close();
  const { sync } = prototype;
  vi.spyOn(prototype, 'sync').mockImplementation(async function (this: FileHandle) {
    seen.push(basename(readlinkSync(`/proc/self/fd/${this.fd}`)));
    await sync.call(this);
  });
  return seen;
}

describe('dump()', () => {
  testWith([CRIU_42.here], 'syncs every image and the directory when told so, and nothing otherwise', async () => {
    await using dir = tempDir();
    const control = join(dir.path, 'control');
    await using target = await startTarget('memory', [control, '4', '2', '10'], { control });
    const images = dir.folder('images');
    const seen = await followSyncs();
    await dumpTo(images, target, { leaveRunning: true });
    expect(seen).toEqual([]);
    const again = dir.folder('again');
    await dumpTo(again, target, { leaveRunning: true, sync: true });
    const written = readdirSync(again).filter((name) => name.endsWith('.img'));
    expect(seen).toEqual(expect.arrayContaining(written));
    expect(seen.slice(-2)).toEqual(['again', 'again']);
  });
});
