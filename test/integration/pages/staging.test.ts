import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CheckpointError } from '../../../src/errors/checkpoint-error.js';
import { openParent } from '../../../src/images/parent.js';
import { openNamed } from '../../../src/images/small-images.js';
import { holdsCheckpoint, openDirectory, openStaging, type Staging } from '../../../src/images/staging.js';
import { tempDir, withTempDir } from '../../helpers/temp-dir.js';
import { keepingFds } from './keeping-fds.js';

const put = (folder: { readonly number: number }, name: string, text: string): void =>
  writeFileSync(`/proc/self/fd/${folder.number}/${name}`, text, { mode: 0o644 });

function stage(staging: Staging, mark: string): void {
  put(staging.images, 'inventory.img', mark);
  put(staging.images, `core-${mark}.img`, mark);
  put(staging.pages, 'pages-1.img', mark);
  put(staging.pages, `pagemap-${mark}.img`, mark);
}

async function checkpoint(imagesDir: string, mark: string, parent?: string): Promise<void> {
  await using staging = await openStaging(imagesDir);
  stage(staging, mark);
  await staging.commit(parent);
}

const imagesOf = (mark: string): string[] =>
  [`core-${mark}.img`, 'inventory.img', `pagemap-${mark}.img`, 'pages-1.img'].sort();

async function codeOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!CheckpointError.is(error)) throw new Error(`not a CheckpointError: ${String(error)}`);
  return `${error.code} ${'errno' in error.detail ? error.detail.errno : ''}`.trim();
}

describe('openStaging()', () => {
  it('commits both kinds of images, and leaves nothing else', async () => {
    await keepingFds(async ({ path }) => {
      await checkpoint(path, 'a', '../0');
      expect(readdirSync(path).sort()).toEqual([...imagesOf('a'), 'parent'].sort());
      expect(readlinkSync(join(path, 'parent'))).toBe('../0');
      // CRIU's own have been 0644; the sink makes 0600 itself.
      for (const name of ['inventory.img', 'core-a.img']) expect(lstatSync(join(path, name)).mode & 0o777).toBe(0o600);
      expect(await holdsCheckpoint(path)).toBe(true);
    });
  });

  it('disposed without commit(), leaves the directory as it was', async () => {
    await keepingFds(async ({ path }) => {
      await checkpoint(path, 'a');
      {
        await using staging = await openStaging(path);
        stage(staging, 'b');
        expect(readdirSync(path).filter((name) => name.startsWith('.frazil-'))).toHaveLength(1);
      }
      expect(readdirSync(path).sort()).toEqual(imagesOf('a'));
      expect(readFileSync(join(path, 'pages-1.img'), 'utf8')).toBe('a');
    });
  });

  it('replaces a checkpoint as a whole', async () => {
    await keepingFds(async ({ path }) => {
      await checkpoint(path, 'a', '../0');
      await checkpoint(path, 'b');
      expect(readdirSync(path).sort()).toEqual(imagesOf('b'));
    });
  });

  it('commit-after-dispose: leaves what is there', async () => {
    await withTempDir('disk', async ({ path }) => {
      await checkpoint(path, 'a');
      const staging = await openStaging(path);
      await staging[Symbol.asyncDispose]();
      await expect(staging.commit()).rejects.toThrow(RangeError);
      expect(readdirSync(path).sort()).toEqual(imagesOf('a'));
    });
  });

  it('refuses a name that both kinds have, before anything is moved', async () => {
    await keepingFds(async ({ path }) => {
      await checkpoint(path, 'a');
      {
        await using staging = await openStaging(path);
        stage(staging, 'b');
        put(staging.images, 'pages-1.img', 'CRIU wrote pages of its own');
        expect(await codeOf(staging.commit())).toBe('IO EEXIST');
      }
      expect(readdirSync(path).sort()).toEqual(imagesOf('a'));
    });
  });

  it('admits one dump into a directory at a time', async () => {
    await keepingFds(async ({ path }) => {
      {
        await using first = await openStaging(path);
        expect(await codeOf(openStaging(path))).toBe('IO EAGAIN');
        expect(existsSync(`/proc/self/fd/${first.pages.number}/`)).toBe(true);
      }
      await using second = await openStaging(path);
      expect(second.pages.closed).toBe(false);
    });
  });

  it('leftover-of-a-killed-process: removes its folder', async () => {
    await withTempDir('disk', async ({ path }) => {
      mkdirSync(join(path, '.frazil-0123456789ab', 'replaced'), { recursive: true });
      writeFileSync(join(path, '.frazil-0123456789ab', 'pages-1.img'), 'half');
      await checkpoint(path, 'a');
      expect(readdirSync(path).sort()).toEqual(imagesOf('a'));
    });
  });

  it('link-in-the-way: follows no link out of the directory', async () => {
    await withTempDir('disk', async (dir) => {
      const path = dir.folder('images');
      const victim = join(dir.path, 'victim');
      writeFileSync(victim, 'untouched');
      mkdirSync(join(dir.path, 'elsewhere'));
      writeFileSync(join(dir.path, 'elsewhere', 'precious'), 'untouched');
      for (const name of [...imagesOf('a'), 'core-a.img.incomplete', 'inventory.img.incomplete']) {
        symlinkSync('../victim', join(path, name));
      }
      symlinkSync('../elsewhere', join(path, '.frazil-fedcba987654'));
      await checkpoint(path, 'a');
      expect(readFileSync(victim, 'utf8')).toBe('untouched');
      expect(readFileSync(join(dir.path, 'elsewhere', 'precious'), 'utf8')).toBe('untouched');
      for (const name of imagesOf('a')) expect(lstatSync(join(path, name)).isFile()).toBe(true);
    });
  });

  it('gives everything back when it cannot be opened', async () => {
    await keepingFds(async ({ path }) => {
      expect(await codeOf(openStaging(join(path, 'missing')))).toBe('IO ENOENT');
      writeFileSync(join(path, 'file'), '');
      expect(await codeOf(openStaging(join(path, 'file')))).toBe('IO ENOTDIR');
      // Exists, can be locked, and takes no folder.
      expect(await codeOf(openStaging('/proc'))).toBe('IO ENOENT');
    });
  });
});

describe('openNamed(), where no private tmpfs can be mounted', () => {
  it('removes old folders of processes that have ended, and no others', async () => {
    await keepingFds(async ({ path }) => {
      const old = new Date(Date.now() - 3_600_000);
      const make = (name: string, time = old): string => {
        mkdirSync(join(path, name));
        writeFileSync(join(path, name, 'core-1.img'), '');
        utimesSync(join(path, name), time, time);
        return join(path, name);
      };
      const stale = make('frazil-stale0');
      const young = make('frazil-young0', new Date());
      const foreign = make('other');
      mkdirSync(join(path, 'target'));
      symlinkSync('target', join(path, 'frazil-link00'));
      using held = await openNamed(path);
      utimesSync(held.path, old, old);
      using next = await openNamed(path);
      expect([stale, young, foreign, held.path, next.path, join(path, 'frazil-link00')].map(existsSync)).toEqual([
        false,
        true,
        true,
        true,
        true,
        true,
      ]);
      await next.remove();
      expect(existsSync(next.path)).toBe(false);
      expect(lstatSync(held.path).mode & 0o777).toBe(0o700);
    });
  });
});

describe('openParent()', () => {
  it('opens a checkpoint beside the images directory', async () => {
    await using dir = tempDir();
    const [zero, one] = [dir.folder('0'), dir.folder('1')];
    await checkpoint(zero, 'a');
    using parent = await openParent(one, '../0');
    expect(readdirSync(`/proc/self/fd/${parent.number}/`).sort()).toEqual(imagesOf('a'));
  });

  it.each([
    ['the directory itself', '1', '.'],
    ['the directory by another name', '1', '../again'],
    ['one that stands on it', '1', '../2'],
    ['one without a checkpoint', '1', '../empty'],
  ])('refuses %s', async (_, name, parent) => {
    await using dir = tempDir();
    const own = dir.folder(name);
    dir.folder('empty');
    symlinkSync('1', join(dir.path, 'again'));
    await checkpoint(own, 'a');
    await checkpoint(dir.folder('2'), 'b', '../1');
    expect(await codeOf(openParent(own, parent))).toBe('IMAGES_CORRUPT');
  });

  it('ends with a ring that does not lead to the directory', async () => {
    await using dir = tempDir();
    await checkpoint(dir.folder('2'), 'b', '../3');
    await checkpoint(dir.folder('3'), 'c', '../2');
    using parent = await openParent(dir.folder('1'), '../2');
    expect(parent.closed).toBe(false);
  });
});

it('openDirectory() follows links unless told not to', async () => {
  await using dir = tempDir();
  dir.folder('real');
  symlinkSync('real', join(dir.path, 'link'));
  using followed = await openDirectory(join(dir.path, 'link'));
  expect(followed.closed).toBe(false);
  expect(await codeOf(openDirectory(join(dir.path, 'link'), 'itself'))).toBe('IO ENOTDIR');
});
