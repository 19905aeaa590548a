import { mkdirSync, readdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CheckpointError } from '../../../src/errors/checkpoint-error.js';
import { Held } from '../../../src/images/held.js';
import { swapIn } from '../../../src/images/swap.js';
import { tempDir } from '../../helpers/temp-dir.js';

const OLD = { 'inventory.img': 'old', 'core-1.img': 'old', 'pages-1.img': 'old', 'tmpfs-dev-7.tar.gz': 'old' };
const NEW = { 'inventory.img': 'new', 'core-2.img': 'new', 'pages-1.img': 'new' };

function fill(folder: string, files: Record<string, string>): void {
  mkdirSync(folder, { recursive: true });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
}

/** What plain files a folder has. */
function filesIn(folder: string): Record<string, string> {
  const entries = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isFile());
  return Object.fromEntries(entries.map(({ name }) => [name, readFileSync(join(folder, name), 'utf8')]));
}

describe('swapIn()', () => {
  it('puts a checkpoint into an empty directory', async () => {
    await using dir = tempDir();
    fill(dir.folder('staged'), NEW);
    await swapIn(dir.path, join(dir.path, 'staged'));
    expect(filesIn(dir.path)).toEqual(NEW);
  });

  it('replaces a checkpoint and its parent link, and leaves what is none of it', async () => {
    await using dir = tempDir();
    fill(dir.path, { ...OLD, 'dump.log': 'kept', 'notes.txt': 'kept' });
    symlinkSync('../older', join(dir.path, 'parent'));
    fill(dir.folder('staged'), NEW);
    symlinkSync('../newer', join(dir.path, 'staged', 'parent'));
    await swapIn(dir.path, join(dir.path, 'staged'));
    expect(filesIn(dir.path)).toEqual({ ...NEW, 'dump.log': 'kept', 'notes.txt': 'kept' });
    expect(readlinkSync(join(dir.path, 'parent'))).toBe('../newer');
    expect(filesIn(join(dir.path, 'staged', 'replaced'))).toEqual(OLD);
  });

  it('replaces links themselves, never what they lead to', async () => {
    await using dir = tempDir();
    const images = dir.folder('images');
    fill(dir.path, { victim: 'untouched' });
    for (const name of Object.keys(NEW)) symlinkSync('../victim', join(images, name));
    fill(join(images, 'staged'), NEW);
    await swapIn(images, join(images, 'staged'));
    expect(filesIn(images)).toEqual(NEW);
    expect(readFileSync(join(dir.path, 'victim'), 'utf8')).toBe('untouched');
  });

  it('leaves the old checkpoint when something is in the way', async () => {
    await using dir = tempDir();
    fill(dir.path, OLD);
    // Not a file of a checkpoint, so it is not moved out of the way.
    fill(join(dir.path, 'irmap-cache'), { something: 'kept' });
    fill(dir.folder('staged'), { ...NEW, 'irmap-cache': 'new' });
    const error = await swapIn(dir.path, join(dir.path, 'staged')).catch((reason: unknown) => reason);
    expect(CheckpointError.is(error, 'IO') && error.message).toBe(
      `Cannot put the images into "${dir.path}": EEXIST. It is as it was`,
    );
    expect(filesIn(dir.path)).toEqual(OLD);
    expect(filesIn(join(dir.path, 'irmap-cache'))).toEqual({ something: 'kept' });
  });

  it('undoes what it moved when a later move fails', async () => {
    await using dir = tempDir();
    fill(dir.path, OLD);
    // By its name an image on its way out, which cannot be moved into itself.
    fill(dir.folder('staged.img'), NEW);
    const error = await swapIn(dir.path, join(dir.path, 'staged.img')).catch((reason: unknown) => reason);
    expect(CheckpointError.is(error, 'IO') && error.detail.errno).toBe('EINVAL');
    expect(filesIn(dir.path)).toEqual(OLD);
    expect(filesIn(join(dir.path, 'staged.img'))).toEqual(NEW);
  });
});

describe('Held', () => {
  it('lets go in the reverse order, once', async () => {
    const order: number[] = [];
    {
      await using held = new Held();
      for (const n of [1, 2, 3]) held.defer(() => void order.push(n));
      await held[Symbol.asyncDispose]();
      expect(held.disposed).toBe(true);
    }
    expect(order).toEqual([3, 2, 1]);
  });

  it('lets go of nothing after move()', async () => {
    const order: number[] = [];
    const keep = async (): Promise<Held> => {
      await using held = new Held();
      held.use({ [Symbol.dispose]: () => void order.push(1) });
      return held.move();
    };
    const kept = await keep();
    expect(order).toEqual([]);
    await kept[Symbol.asyncDispose]();
    expect(order).toEqual([1]);
  });
});
