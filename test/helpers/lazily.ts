// A checkpoint of the `faults` target that tests restore lazily, again and again.

import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { FillReport, LazyOptions } from '../../src/criu/restore.js';
import type { Tree } from '../../src/criu/tree.js';
import { allTasks, executableOf } from './procfs.js';
import { killTree, programOf, startCommand, type Target } from './target.js';
import { tempDir } from './temp-dir.js';
import { until } from './until.js';
import { dumpTo, restoreFrom } from './verbs.js';

export interface Lazily extends AsyncDisposable {
  readonly target: Target;
  readonly control: string;
  readonly images: string;
  /** The pids of every task of it that lives, forks and orphans too, whether their memory is there or not. */
  tasks(): number[];
  /** Restores it, asks, waits for the fill, asks `check 2`, and kills it. Nothing may be broken. */
  asked(questions: readonly string[], lazy?: LazyOptions): Promise<FillReport>;
  restore(lazy?: LazyOptions): Promise<Tree>;
}

// So slow that questions are asked long before the end, on a busy machine, too.
const FILL_SECONDS = 4;

/** Dumps a fresh target with `megabytes` of memory, after asking it `questions`. */
export async function checkpointOfFaults(
  criu: string,
  megabytes: number,
  questions: readonly string[] = [],
): Promise<Lazily> {
  const dir = tempDir();
  const control = join(dir.path, 'control');
  const images = dir.folder('images');
  // A program of its own, by which its tasks are known.
  const program = join(dir.path, 'faults');
  copyFileSync(await programOf('faults'), program);
  const tasks = () => allTasks().flatMap(({ pid }) => (executableOf(pid) === program ? pid : []));
  const kill = () => killAll(tasks);
  const started = await startCommand([program, control, `${megabytes}`], { control });
  const target = { ...started, kill, [Symbol.asyncDispose]: kill };
  for (const question of questions) await target.ask(question);
  await dumpTo(images, target, { criu });
  const bytesPerSecond = (megabytes * 2 ** 20) / FILL_SECONDS;
  const restore = (lazy: LazyOptions = {}) => restoreFrom(images, { criu, lazy: { bytesPerSecond, ...lazy } });
  return {
    target,
    control,
    images,
    tasks,
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

async function killAll(tasks: () => number[]): Promise<void> {
  await until('every task of the target is killed', () => {
    const left = tasks();
    for (const pid of left) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It has ended in the meantime.
      }
    }
    return left.length === 0;
  });
}
