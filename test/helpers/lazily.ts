// A checkpoint of the `faults` target that tests restore lazily, again and again.

import { join } from 'node:path';
import { expect } from 'vitest';
import type { FillReport, LazyOptions } from '../../src/criu/restore.js';
import type { Tree } from '../../src/criu/tree.js';
import { killTree, startTarget, type Target } from './target.js';
import { tempDir } from './temp-dir.js';
import { dumpTo, restoreFrom } from './verbs.js';

export interface Lazily extends AsyncDisposable {
  readonly target: Target;
  readonly control: string;
  readonly images: string;
  /** Restores it, asks, waits for the fill, asks `check 2`, and kills it. Nothing may be broken. */
  asked(questions: readonly string[], lazy?: LazyOptions): Promise<FillReport>;
  restore(lazy?: LazyOptions): Promise<Tree>;
}

// So slow that questions are asked long before the end.
const SLOW = 64 * 2 ** 20;

/** Dumps a fresh target with `megabytes` of memory, after asking it `questions`. */
export async function checkpointOfFaults(
  criu: string,
  megabytes: number,
  questions: readonly string[] = [],
): Promise<Lazily> {
  const dir = tempDir();
  const control = join(dir.path, 'control');
  const images = dir.folder('images');
  const target = await startTarget('faults', [control, `${megabytes}`], { control });
  for (const question of questions) await target.ask(question);
  await dumpTo(images, target, { criu });
  const restore = (lazy: LazyOptions = {}) => restoreFrom(images, { criu, lazy: { bytesPerSecond: SLOW, ...lazy } });
  return {
    target,
    control,
    images,
    restore,
    async asked(questions, lazy) {
      const tree = await restore(lazy);
      try {
        for (const question of questions)
          expect([question, await target.ask(question)]).toEqual([question, { broken: 0 }]);
        const report = await tree.filling?.done;
        expect(await target.ask('check 2')).toEqual({ broken: 0 });
        if (report === undefined) throw new Error('the tree was not restored lazily');
        return report;
      } finally {
        await killTree(target, tree);
      }
    },
    async [Symbol.asyncDispose]() {
      await target.kill();
      await dir[Symbol.asyncDispose]();
    },
  };
}
