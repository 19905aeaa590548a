// A checkpoint whose pages are still where they were: `criu dump --lazy-pages` holds the tree and serves them, or `criu page-server --lazy-pages` does
// from the images. The target has a pid namespace of its own, so that it can be restored beside the tree that it was.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, cpSync } from 'node:fs';
import { join } from 'node:path';
import { type LazyOptions, restore } from '../../src/criu/restore.js';
import { imagesDirectory } from '../../src/criu/target.js';
import type { Tree } from '../../src/criu/tree.js';
import type { RealCriu } from './criu-cli.js';
import { freePort } from './page-server.js';
import { allTasks, executableOf } from './procfs.js';
import { spoilLazyPages } from './stored-pages.js';
import { programOf, startCommand, type Target } from './target.js';
import { tempDir } from './temp-dir.js';
import { until } from './until.js';
import { dumpTo } from './verbs.js';

export interface PageHolder {
  readonly port: number;
  readonly pid: number;
  /** Its status, or 128 when a signal ended it. */
  readonly ended: Promise<number>;
  kill(): void;
}

export interface LeftBehind extends AsyncDisposable {
  readonly target: Target;
  readonly control: string;
  /** Of the destination: what was dumped, with rubbish where the pages were. */
  readonly images: string;
  /** With the pages, if they were dumped. */
  readonly dumped: string;
  readonly holder: PageHolder;
  /** `port`: of another server than the holder. */
  restore(lazy?: LazyOptions, port?: number): Promise<Tree>;
  /** Tasks of the target, restored or not, that live. */
  tasks(): number[];
}

export const LOOPBACK = '127.0.0.1';

/** Runs a CRIU that serves pages, until it says that it listens. */
export async function startHolder(criu: RealCriu, words: readonly string[]): Promise<PageHolder> {
  const port = await freePort();
  const where = ['--lazy-pages', '--address', LOOPBACK, '--port', `${port}`, '--status-fd', '3', '-v4'];
  const child = spawn(criu.path, [...words, ...where], { stdio: ['ignore', 'ignore', 'inherit', 'pipe'] });
  const ended = endOf(child);
  await Promise.race([once(child.stdio[3] ?? child, 'data'), ended]);
  if (child.exitCode !== null) throw new Error(`criu ${words.join(' ')} ended with ${child.exitCode}`);
  return { port, pid: child.pid ?? -1, ended, kill: () => void child.kill('SIGKILL') };
}

async function endOf(child: ChildProcess): Promise<number> {
  const [status] = await once(child, 'exit');
  return typeof status === 'number' ? status : 128;
}

/** `nobody`: the test serves what lies in `dumped`. */
export type Holding = 'dump' | 'page-server' | 'nobody';

// The root of its pid namespace.
const PID_INSIDE = 1;
const NOBODY: PageHolder = { port: 0, pid: 0, ended: Promise.resolve(0), kill: () => {} };

/** Dumps a fresh target with `megabytes` of memory, and has its pages held by CRIU. */
export async function leftBehind(
  criu: RealCriu,
  { megabytes, holding = 'dump' }: { readonly megabytes: number; readonly holding?: Holding },
): Promise<LeftBehind> {
  const dir = tempDir();
  const control = join(dir.path, 'control');
  const images = dir.folder('images');
  const there = join(dir.path, 'there');
  const program = join(dir.path, 'faults');
  copyFileSync(await programOf('faults'), program);
  const tasks = () => allTasks().flatMap(({ pid }) => (executableOf(pid) === program ? [pid] : []));
  const through = ['unshare', '--pid', '--fork', 'setsid'];
  const target = await startCommand([program, control, `${megabytes}`], { control, through });
  if (holding !== 'dump') await dumpTo(images, target, { criu: criu.path });
  const dump = ['dump', '-t', `${target.pid}`, '-D', images, '-o', 'dump.log'];
  const serve = ['page-server', '-D', images, '-o', 'page-server.log'];
  const holder = holding === 'nobody' ? NOBODY : await startHolder(criu, holding === 'dump' ? dump : serve);
  cpSync(images, there, { recursive: true });
  if (holding !== 'dump') spoilLazyPages(there, PID_INSIDE);
  const kill = async () => {
    holder.kill();
    await holder.ended;
    await until('every task of the target is killed', () => {
      const left = tasks();
      for (const pid of left) if (pid > 0) tryKill(pid);
      return left.length === 0;
    });
  };
  return {
    target: { ...target, kill },
    control,
    images: there,
    dumped: images,
    holder,
    tasks,
    restore: (lazy = {}, port = holder.port) =>
      restore(imagesDirectory(there), {
        criu: criu.path,
        lazy: { pageServer: { address: LOOPBACK, port }, ...lazy },
      }).done,
    async [Symbol.asyncDispose]() {
      await kill();
      await dir[Symbol.asyncDispose]();
    },
  };
}

function tryKill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended in the meantime.
  }
}
