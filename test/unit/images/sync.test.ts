// The order in which the disk is asked, seen from inside: what each fsync was for, and what names there were at that moment.

import { mkdirSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { swapIn } from '../../../src/images/swap.js';
import { tempDir } from '../../helpers/temp-dir.js';

interface Synced {
  readonly what: string;
  /** Of the images directory. */
  readonly names: readonly string[];
}

afterEach(() => vi.restoreAllMocks());

/** Follows every fsync from now on; `fail` breaks the one of that name. */
async function follow(images: string, fail?: string): Promise<readonly Synced[]> {
  const seen: Synced[] = [];
  const handle = await open('/dev/null');
  const prototype: FileHandle = Object.getPrototypeOf(handle);
  await handle.close();
  const { sync } = prototype;
  vi.spyOn(prototype, 'sync').mockImplementation(async function (this: FileHandle) {
    const what = basename(readlinkSync(`/proc/self/fd/${this.fd}`));
    const names = readdirSync(images).filter((name) => name !== 'staged');
    seen.push({ what, names: names.toSorted() });
    if (what === fail) throw Object.assign(new Error('the disk is broken'), { code: 'EIO', syscall: 'fsync' });
    await sync.call(this);
  });
  return seen;
}

function prepare(dir: { readonly path: string }): { readonly images: string; readonly staged: string } {
  const images = join(dir.path, 'images');
  const staged = join(images, 'staged');
  mkdirSync(staged, { recursive: true });
  for (const name of ['inventory.img', 'core-1.img']) writeFileSync(join(images, name), 'old');
  for (const name of ['inventory.img', 'core-2.img', 'pages-1.img']) writeFileSync(join(staged, name), 'new');
  return { images, staged };
}

const OLD = ['core-1.img', 'inventory.img'];
const NEW = ['core-2.img', 'inventory.img', 'pages-1.img'];

describe('swapIn() with sync', () => {
  it('has the bytes on the disk before the first name, and every other name before inventory.img', async () => {
    await using dir = tempDir();
    const { images, staged } = prepare(dir);
    const seen = await follow(images);
    await swapIn(images, staged, { sync: true });
    expect(
      seen
        .slice(0, 3)
        .map(({ what }) => what)
        .toSorted(),
    ).toEqual(NEW);
    expect(seen.slice(3)).toEqual([
      { what: 'staged', names: OLD },
      { what: 'images', names: ['core-1.img'] },
      { what: 'images', names: [] },
      { what: 'images', names: ['core-2.img', 'pages-1.img'] },
      { what: 'images', names: NEW },
    ]);
  });

  it('asks nothing without it', async () => {
    await using dir = tempDir();
    const { images, staged } = prepare(dir);
    const seen = await follow(images);
    await swapIn(images, staged);
    expect(seen).toEqual([]);
  });

  it.each(['pages-1.img', 'images'])('leaves the old checkpoint when %s cannot be synced', async (what) => {
    await using dir = tempDir();
    const { images, staged } = prepare(dir);
    await follow(images, what);
    await expect(swapIn(images, staged, { sync: true })).rejects.toMatchObject({
      code: 'IO',
      detail: { errno: 'EIO' },
    });
    expect(readdirSync(images).filter((name) => name !== 'staged')).toEqual(OLD);
  });
});
