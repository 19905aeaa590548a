import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { cacheRoom } from '../../../src/pages/cache-room.js';

const GIB = 2 ** 30;

it('is all of the memory on a tmpfs, which has no disk to wait for', async () => {
  expect(await cacheRoom('/dev/shm', 3 * GIB)).toBe(3 * GIB);
});

it('is nothing where nobody has measured', async () => {
  expect(await cacheRoom('/proc', 8 * GIB)).toBe(0);
});

it('is a part of the memory, and never negative, on whatever disk is below the temporary folder', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'fz-cache-'));
  try {
    const room = await cacheRoom(dir, 8 * GIB);
    expect(room).toBeLessThanOrEqual(8 * GIB);
    expect(room).toBeGreaterThanOrEqual(0);
    expect(await cacheRoom(dir, 0)).toBeLessThanOrEqual(room);
  } finally {
    rmSync(dir, { recursive: true });
  }
});

it('is nothing for a folder that is not there', async () => {
  expect(await cacheRoom('/proc/self/none', GIB)).toBe(0);
});
