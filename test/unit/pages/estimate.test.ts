import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { totalmem } from 'node:os';
import { describe, expect, it, vi } from 'vitest';
import { availableMemory, estimateTree, treeOf } from '../../../src/pages/estimate.js';
import { mapFew } from '../../../src/pages/few.js';

describe('estimateTree()', () => {
  it('finds children of children, root first, and counts their memory', async () => {
    const shell = spawn('/bin/sh', ['-c', 'sh -c "sleep 100 & echo up; wait" & wait'], {
      stdio: ['ignore', 'pipe', 'ignore'],
      detached: true,
    });
    try {
      await once(shell.stdout, 'data');
      const pid = shell.pid ?? 0;
      // The inner shell says "up" when it has forked; its child may not be `sleep` yet.
      await vi.waitFor(async () => {
        const leaf = (await treeOf(pid)).at(-1);
        expect(readFileSync(`/proc/${leaf}/comm`, 'utf8')).toBe('sleep\n');
      });
      const tree = await estimateTree(pid);
      expect(tree.pids[0]).toBe(pid);
      expect(tree.pids).toHaveLength(3);
      const [, inner, leaf] = tree.pids;
      expect(readFileSync(`/proc/${leaf}/stat`, 'utf8')).toMatch(new RegExp(`\\(sleep\\) [RS] ${inner} `));
      expect(tree.bytes).toBeGreaterThan(3 * 4096);
      expect(tree.bytes).toBeLessThan(64 * 2 ** 20);
    } finally {
      process.kill(-(shell.pid ?? 0), 'SIGKILL');
    }
  });

  it('is empty for a process that does not exist', async () => {
    expect(await estimateTree(2 ** 22 - 1)).toEqual({ pids: [], bytes: 0 });
    expect(await treeOf(0)).toEqual([]);
  });

  it('counts a page of its own memory about once', async () => {
    const before = (await estimateTree(process.pid)).bytes;
    const ballast = Buffer.alloc(32 * 2 ** 20, 1);
    const grown = (await estimateTree(process.pid)).bytes - before;
    expect(ballast[1]).toBe(1);
    expect(grown).toBeGreaterThan(24 * 2 ** 20);
    expect(grown).toBeLessThan(48 * 2 ** 20);
  });
});

it('availableMemory() is something, and not more than the machine has', async () => {
  const bytes = await availableMemory();
  expect(bytes).toBeGreaterThan(2 ** 20);
  expect(bytes).toBeLessThanOrEqual(totalmem());
});

describe('mapFew()', () => {
  it('keeps the order and never has more than 32 under way', async () => {
    let running = 0;
    let most = 0;
    const results = await mapFew(
      Array.from({ length: 200 }, (_, i) => i),
      async (i) => {
        running += 1;
        most = Math.max(most, running);
        for (let turns = 1 + (i % 7); turns > 0; turns -= 1) await Promise.resolve();
        running -= 1;
        return i * 2;
      },
    );
    expect(results).toEqual(Array.from({ length: 200 }, (_, i) => i * 2));
    expect(most).toBe(32);
  });

  it('of nothing is nothing, and a rejection is passed on', async () => {
    expect(await mapFew([], () => Promise.resolve(1))).toEqual([]);
    await expect(mapFew([1, 2, 3], () => Promise.reject(new Error('no')))).rejects.toThrow('no');
  });
});
