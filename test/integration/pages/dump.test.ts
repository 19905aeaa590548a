// Dumps by the real CRIU, disturbed in every way that a caller can. After each of them the tree and its images directory must tell
// the same story: either it was dumped, or nothing has happened.

import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect } from 'vitest';
import { type DumpCall, dump } from '../../../src/criu/dump.js';
import { imagesDirectory } from '../../../src/criu/target.js';
import { CheckpointError } from '../../../src/errors/checkpoint-error.js';
import { readPstree } from '../../../src/images/pstree.js';
import { CRIU_42 } from '../../helpers/criu-cli.js';
import { testWith } from '../../helpers/needs.js';
import { isAlive, taskOf } from '../../helpers/procfs.js';
import { readRuns } from '../../helpers/stored-pages.js';
import type { TempDir } from '../../helpers/temp-dir.js';
import { until } from '../../helpers/until.js';
import { keepingFds } from './keeping-fds.js';

// A sanitizer that is preloaded is for us: CRIU, and what it dumps, hang with it.
delete process.env['LD_PRELOAD'];

/** A process of its own session with nothing that needs an option. */
class Sleeper implements Disposable {
  readonly #child: ChildProcess = spawn('/bin/sleep', ['1000'], { detached: true, stdio: 'ignore', env: {} });

  static async start(): Promise<Sleeper> {
    const sleeper = new Sleeper();
    await until('it sleeps', () => taskOf(sleeper.pid)?.state === 'S' && taskOf(sleeper.pid)?.name === 'sleep');
    return sleeper;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Not stopped, not traced, not ended. */
  get runs(): boolean {
    return ['S', 'R'].includes(taskOf(this.pid)?.state ?? 'gone');
  }

  [Symbol.dispose](): void {
    this.#child.kill('SIGKILL');
  }
}

const take = async (pid: number, path: string, call: Partial<DumpCall> = {}): Promise<void> =>
  void (await dump(pid, { to: imagesDirectory(path, { replace: true }), criu: CRIU_42.path, ...call }).done);

async function codeOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error === undefined) return 'nothing';
  if (!CheckpointError.is(error)) throw error;
  return error.code;
}

/** Whose checkpoint the directory holds, after a look that it is whole; undefined when it is none. */
async function ownerOf(path: string): Promise<number | undefined> {
  expect(readdirSync(path).filter((name) => name.startsWith('.frazil-'))).toEqual([]);
  if (!existsSync(join(path, 'inventory.img'))) return undefined;
  const [root] = await readPstree(path);
  const { pagesId, runs } = readRuns(path, root?.pid ?? 0);
  const pages = runs.filter(({ kind }) => kind === 'present').reduce((sum, run) => sum + run.pages, 0n);
  expect(BigInt(readFileSync(join(path, `pages-${pagesId}.img`)).length)).toBe(pages * 4096n);
  expect(existsSync(join(path, `core-${root?.pid}.img`))).toBe(true);
  return root?.pid;
}

/** Runs `use` in a folder of its own whose `images` hold a checkpoint of another process. */
async function besideAnother(
  use: (scene: { path: string; other: number; dir: TempDir }) => Promise<void>,
): Promise<void> {
  await keepingFds(async (dir) => {
    using another = await Sleeper.start();
    const path = dir.folder('images');
    await take(another.pid, path, { leaveRunning: true });
    await use({ path, other: another.pid, dir });
  });
}

describe('an aborted dump', () => {
  testWith(
    [CRIU_42.here],
    'answer-after-abort: proceeding at post-dump later does not touch the directory',
    async () => {
      await besideAnother(async ({ path, other }) => {
        using sleeper = await Sleeper.start();
        const controller = new AbortController();
        let proceed = (): void => {};
        const held = new Promise<void>((resolve) => {
          proceed = resolve;
        });
        let reached = (): void => {};
        const postDump = new Promise<void>((resolve) => {
          reached = resolve;
        });
        const code = codeOf(
          take(sleeper.pid, path, {
            signal: controller.signal,
            notify: async ({ kind }) => {
              if (kind === 'post-dump') {
                reached();
                await held;
              }
              return { kind: 'proceed' };
            },
          }),
        );
        await postDump;
        controller.abort();
        expect(await code).toBe('ABORTED');
        proceed();
        for (let i = 0; i < 20; i += 1) await turn();
        expect(await ownerOf(path)).toBe(other);
        await until('it runs', () => sleeper.runs);
      });
    },
  );

  testWith(
    [CRIU_42.here],
    'at any moment, either was dumped and killed or runs and left the directory alone',
    async () => {
      await besideAnother(async ({ path, other }) => {
        let owner = other;
        const outcomes: string[] = [];
        // Moments around the commit are the ones that matter: turns of the event loop after post-dump is answered.
        for (let turns = -3; turns < 27; turns += 1) {
          using sleeper = await Sleeper.start();
          const controller = new AbortController();
          const abortLater = async (): Promise<void> => {
            for (let i = 0; i < turns; i += 1) await turn();
            controller.abort();
          };
          const wanted = { [-3]: 'pre-dump', [-2]: 'network-lock', [-1]: 'query-ext-files' }[turns] ?? 'post-dump';
          const code = await codeOf(
            take(sleeper.pid, path, {
              signal: controller.signal,
              notify: ({ kind }) => {
                if (kind === wanted) void abortLater();
                return { kind: 'proceed' };
              },
            }),
          );
          outcomes.push(code);
          const holds = await ownerOf(path);
          if (code === 'nothing') {
            expect(holds).toBe(sleeper.pid);
            expect(isAlive(sleeper.pid)).toBe(false);
            owner = sleeper.pid;
          } else {
            expect(code).toBe('ABORTED');
            expect(holds).toBe(owner);
            await until('it runs', () => sleeper.runs);
          }
        }
        expect(new Set(outcomes)).toEqual(new Set(['ABORTED', 'nothing']));
      });
    },
  );

  testWith(
    [CRIU_42.here],
    'of a tree that runs on leaves it running and the directory as it was or whole',
    async () => {
      await besideAnother(async ({ path, other }) => {
        using sleeper = await Sleeper.start();
        let owner = other;
        for (let delay = 0; delay < 90; delay += 9) {
          const code = await codeOf(
            take(sleeper.pid, path, { leaveRunning: true, signal: AbortSignal.timeout(delay) }),
          );
          if (code === 'nothing') owner = sleeper.pid;
          else expect(code).toBe('ABORTED');
          expect(await ownerOf(path)).toBe(owner);
          await until('it runs', () => sleeper.runs);
        }
      });
    },
  );
});

describe('a dump that fails', () => {
  testWith([CRIU_42.here], 'because notify throws leaves everything as it was', async () => {
    await besideAnother(async ({ path, other }) => {
      using sleeper = await Sleeper.start();
      for (const wanted of ['pre-dump', 'post-dump']) {
        const taking = take(sleeper.pid, path, {
          notify: ({ kind }) => {
            if (kind === wanted) throw new Error('out of patience');
            return { kind: 'proceed' };
          },
        });
        await expect(taking).rejects.toThrow('out of patience');
        expect(await ownerOf(path)).toBe(other);
        await until('it runs', () => sleeper.runs);
      }
    });
  });

  testWith(
    [CRIU_42.here],
    'before it begins opens nothing: a process that is gone, a parent that is none',
    async () => {
      await besideAnother(async ({ path, other, dir }) => {
        using sleeper = await Sleeper.start();
        const { pid } = sleeper;
        dir.folder('empty');
        expect(await codeOf(take(2 ** 22 - 3, path))).toBe('NO_SUCH_PROCESS');
        expect(await codeOf(take(pid, path, { parent: '../empty', trackMem: true }))).toBe('IMAGES_CORRUPT');
        expect(await codeOf(take(pid, path, { parent: '.', trackMem: true }))).toBe('IMAGES_CORRUPT');
        expect(await codeOf(dump(pid, { to: imagesDirectory(path), criu: CRIU_42.path }).done)).toBe('IMAGES_EXIST');
        expect(await codeOf(take(pid, '/dev/null/images'))).toBe('IO');
        expect(await ownerOf(path)).toBe(other);
        expect(sleeper.runs).toBe(true);
      });
    },
  );

  testWith([CRIU_42.here], 'because the directory is in use leaves the other dump alone', async () => {
    await keepingFds(async ({ path }) => {
      using first = await Sleeper.start();
      using second = await Sleeper.start();
      await take(first.pid, path, {
        notify: async ({ kind }) => {
          if (kind === 'post-dump') expect(await codeOf(take(second.pid, path))).toBe('IO');
          return { kind: 'proceed' };
        },
      });
      expect(await ownerOf(path)).toBe(first.pid);
      expect(second.runs).toBe(true);
    });
  });
});

describe('an images directory', () => {
  testWith([CRIU_42.here], 'that is a link is filled where it led when the dump began', async () => {
    await keepingFds(async (dir) => {
      using sleeper = await Sleeper.start();
      dir.folder('one');
      dir.folder('two');
      const link = join(dir.path, 'latest');
      symlinkSync('one', link);
      await take(sleeper.pid, link, {
        leaveRunning: true,
        notify: ({ kind }) => {
          if (kind === 'pre-dump') turnLink(link, 'two');
          return { kind: 'proceed' };
        },
      });
      expect(await ownerOf(join(dir.path, 'one'))).toBe(sleeper.pid);
      expect(readdirSync(join(dir.path, 'two'))).toEqual([]);
    });
  });

  testWith([CRIU_42.here], 'full of links and leftovers is replaced, and nothing behind them is touched', async () => {
    await keepingFds(async (dir) => {
      using sleeper = await Sleeper.start();
      const path = dir.folder('images');
      const victim = join(dir.path, 'victim');
      writeFileSync(victim, 'untouched');
      for (const name of ['pages-1.img', `pagemap-${sleeper.pid}.img`, 'inventory.img', 'parent']) {
        symlinkSync('../victim', join(path, name));
      }
      mkdirSync(join(path, '.frazil-aaaaaaaaaaaa'));
      await take(sleeper.pid, path, { leaveRunning: true, absorb: 'never' });
      expect(await ownerOf(path)).toBe(sleeper.pid);
      expect(readFileSync(victim, 'utf8')).toBe('untouched');
      expect(existsSync(join(path, 'parent'))).toBe(false);
    });
  });
});

function turnLink(link: string, to: string): void {
  symlinkSync(to, `${link}.new`);
  renameSync(`${link}.new`, link);
}
