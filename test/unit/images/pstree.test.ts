import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CheckpointError } from '../../../src/errors/checkpoint-error.js';
import { readPstree } from '../../../src/images/pstree.js';
import { tempDir } from '../../helpers/temp-dir.js';
import { pstreeFile, task } from './records.js';

async function read(bytes: Uint8Array): Promise<readonly { readonly pid: number }[] | string> {
  await using dir = tempDir();
  writeFileSync(join(dir.path, 'pstree.img'), bytes);
  return await readPstree(dir.path).catch((error: unknown) => {
    if (!(error instanceof CheckpointError)) throw error;
    return `${error.code} ${error.message.replaceAll(dir.path, 'D')}`;
  });
}

describe('readPstree()', () => {
  it('gives every task, root first', async () => {
    const tasks = [task(100), task(101, 100), task(102, 101)];
    expect(await read(pstreeFile(tasks))).toEqual(tasks);
    expect(await read(pstreeFile([]))).toEqual([]);
  });

  it.each([
    ['nothing', Buffer.alloc(0), 0],
    ['another file', Buffer.from('not a pstree image'), 0],
    ['a length cut short', Buffer.concat([pstreeFile([]), Buffer.from([1, 2])]), 8],
    ['an entry cut short', pstreeFile([task(1)]).subarray(0, -1), 8],
    ['a length beyond the file', Buffer.concat([pstreeFile([]), Buffer.alloc(4, 255)]), 8],
  ])('refuses %s', async (_, bytes, offset) => {
    const message = `Cannot read "D/pstree.img" as a process tree: it is damaged at byte ${offset}`;
    expect(await read(bytes)).toBe(`IMAGES_CORRUPT ${message}`);
  });

  it('says where it looked when there is none', async () => {
    await using dir = tempDir();
    const error = await readPstree(dir.path).catch((reason: unknown) => reason);
    expect(CheckpointError.is(error, 'IO') && error.detail.path).toBe(join(dir.path, 'pstree.img'));
  });

  it('refuses or reads whatever the bytes are', async () => {
    const good = pstreeFile([task(100), task(101, 100)]);
    const damaged = fc.tuple(fc.nat(good.length - 1), fc.uint8Array({ maxLength: 20 })).map(([at, bytes]) => {
      return Buffer.concat([good.subarray(0, at), bytes, good.subarray(at + bytes.length)]);
    });
    await fc.assert(
      fc.asyncProperty(damaged, async (bytes) => {
        const found = await read(bytes);
        return typeof found !== 'string' || found.startsWith('IMAGES_CORRUPT');
      }),
      { numRuns: 200 },
    );
  });
});
