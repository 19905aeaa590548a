// Pre-dumps of a container and a dump on top of them, through Frazil and by the runtime alone, each restored by the other.

import { readdirSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { answers, type Container, type Outcome, RUNTIMES, SEATED, startContainer } from '../helpers/container.js';
import { CRIU_42 } from '../helpers/criu-cli.js';
import { testWith } from '../helpers/needs.js';
import { SOFT_DIRTY } from '../helpers/soft-dirty.js';
import { type TempDir, tempDir } from '../helpers/temp-dir.js';

type Way = 'frazil' | 'runtime';

function call(container: Container, way: Way, words: readonly string[]): Promise<Outcome> {
  return way === 'frazil' ? container.callBy(SEATED, ...words) : container.call(...words);
}

function pageBytes(images: string): number {
  const files = readdirSync(images).filter((name) => /^pages-\d+\.img$/.test(name));
  return files.reduce((sum, name) => sum + statSync(join(images, name)).size, 0);
}

interface Chain {
  /** Bytes of pages in each link. */
  readonly sizes: readonly number[];
  readonly before: unknown;
}

/** Two pre-dumps and a dump. */
async function takeChain(container: Container, dir: TempDir, way: Way): Promise<Chain> {
  const sizes: number[] = [];
  let before: unknown;
  for (const [at, verb] of (['pre', 'pre', 'dump'] as const).entries()) {
    const images = join(dir.path, `${at}`);
    const words = ['checkpoint', '--image-path', images];
    if (verb === 'pre') words.push('--pre-dump');
    if (at > 0) words.push('--parent-path', `../${at - 1}`);
    const { status, stderr } = await call(container, way, [...words, container.id]);
    expect(status, `${verb} ${at}: ${stderr}`).toBe(0);
    if (at > 0) expect(readlinkSync(join(images, 'parent'))).toBe(`../${at - 1}`);
    if (verb === 'pre') expect((await container.state())?.status).toBe('running');
    sizes.push(pageBytes(images));
    if (verb === 'pre') {
      // One page: the kernel tells of a huge one as a whole.
      await container.ask('dirty 1');
      before = await container.ask('digest');
    }
  }
  return { sizes, before };
}

describe.each(RUNTIMES)('$name', (runtime) => {
  const needs = [runtime.here, CRIU_42.here, SOFT_DIRTY];
  for (const [by, back] of [
    ['frazil', 'runtime'],
    ['runtime', 'frazil'],
  ] as const) {
    testWith(needs, `a chain made by ${by} is restored by ${back}, and its links are small`, async () => {
      await using dir = tempDir();
      await using container = await startContainer(runtime, dir);
      const { sizes, before } = await takeChain(container, dir, by);
      const [first = 0, ...later] = sizes;
      expect(first).toBeGreaterThan(8 * 2 ** 20);
      for (const bytes of later) expect(bytes).toBeLessThan(first / 4);
      expect(await container.state()).toBeUndefined();
      const words = ['restore', '-d', '--image-path', join(dir.path, '2'), '--bundle', container.bundle, container.id];
      const restored = await call(container, back, words);
      expect(restored.status, restored.stderr).toBe(0);
      await answers(container);
      expect(await container.ask('digest')).toEqual(before);
      expect((await container.state())?.status).toBe('running');
    });
  }
});
