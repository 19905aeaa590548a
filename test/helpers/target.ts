// Target programs: the real processes that tests dump and restore. Their sources and questions are in targets/.
//
// A target leads its own session, has /dev/null on 0 to 2 and nothing else open, and carries a mark in its environment.
// The environment survives a restore, so that `kill` finds every task that ever came from this start, however it was
// restored, reparented or forked since.

import { execFile, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { ask, NoAnswer } from './ask.js';
import { allTasks, childrenOf, commandOf, environmentOf, isAlive, type Task, treeOf, waitGone } from './procfs.js';
import { until } from './until.js';

const SOURCES = fileURLToPath(new URL('./targets', import.meta.url));
const MARK = 'FRAZIL_TARGET';

export type TargetName =
  | 'clean'
  | 'copied'
  | 'console'
  | 'extents'
  | 'faults'
  | 'memory'
  | 'dirtier'
  | 'tree'
  | 'mappings'
  | 'namespaces'
  | 'job'
  | 'rarities'
  | 'shared'
  | 'terminal';

export interface Target extends AsyncDisposable {
  /** The root of the tree to dump. */
  readonly pid: number;
  ask<T>(question: string): Promise<T>;
  /** Asks `verify` and gives back what does not hold, and how many checks there were. */
  verify(): Promise<{ checks: number; failed: string[] }>;
  alive(): boolean;
  /** The pids of the tree, now. */
  tree(): number[];
  /** Kills every task that came from this start and waits until none is left. Idempotent. */
  kill(): Promise<void>;
}

export interface StartOptions {
  /** Where the target listens. */
  readonly control: string;
  /** What stands on its fds 0, 1, 2: fds of this process, or nothing. */
  readonly stdio?: readonly ['ignore' | number, 'ignore' | number, 'ignore' | number];
  /** Run it as the child of this command, whose last words are the target's: ['bash', '-c', '"$@" | cat', '-']. */
  readonly through?: readonly string[];
}

/** Compiles a target on its first use; gives back the program's path. */
export async function programOf(name: TargetName): Promise<string> {
  const { stdout } = await promisify(execFile)(`${SOURCES}/build`, [name]);
  return `${stdout.trim()}/${name}`;
}

/** Starts one of our C programs and waits until it answers. */
export async function startTarget(name: TargetName, args: readonly string[], options: StartOptions): Promise<Target> {
  return startCommand([await programOf(name), ...args], options);
}

/** Starts any program that speaks the targets' protocol at `control` and waits until it answers. */
export async function startCommand(command: readonly string[], options: StartOptions): Promise<Target> {
  const started = launch([...(options.through ?? []), await programOf('clean'), ...command], options.stdio);
  const pid = await started.until('it answers', async () => {
    const inside = await answered<{ pid: number }>(options.control, 'pid');
    if (inside === undefined) return undefined;
    // In a pid namespace of its own it calls itself 1.
    return inside.pid === 1 ? childrenOf(started.pid)[0] : inside.pid;
  });
  return targetAt(pid, marked(started.mark), options.control);
}

/** Starts a program without control socket and waits until `ready`. */
export async function startProgram<T>(
  command: readonly string[],
  ready: () => T | Promise<T>,
): Promise<{ target: Target; ready: Exclude<T, undefined | false> }> {
  const started = launch([await programOf('clean'), ...command], undefined);
  const answer = await started.until('it is ready', ready);
  return { target: targetAt(started.pid, marked(started.mark), undefined), ready: answer };
}

/** A file's text as soon as it is there: what `ready` of a server is. */
export function textOf(file: string): string | undefined {
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined;
}

/** The Python to run: not a shim in front of it, which would be the one that is dumped. */
export function python(): string | undefined {
  const found = ['/usr/bin/python3', '/usr/local/bin/python3'].find((path) => existsSync(path));
  return found ?? shimmedPython();
}

function shimmedPython(): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(':');
  return folders.flatMap((folder) => {
    const version = existsSync(`${folder}/python3`) && folder.match(/^(.*)\/shims$/);
    if (version === false || version === null) return [];
    const chosen = `${version[1]}/version`;
    const name = existsSync(chosen) ? readFileSync(chosen, 'utf8').split('\n')[0] : undefined;
    const program = `${version[1]}/versions/${name}/bin/python3`;
    return existsSync(program) ? [program] : [];
  })[0];
}

function launch(command: readonly string[], stdio: StartOptions['stdio']) {
  const [program = '', ...args] = command;
  const mark = randomUUID();
  const child = spawn(program, args, {
    detached: true,
    stdio: [...(stdio ?? (['ignore', 'ignore', 'ignore'] as const))],
    env: { PATH: process.env['PATH'], [MARK]: mark },
  });
  let failure: Error | undefined;
  child.once('error', (reason) => {
    failure = reason;
  });
  child.unref();
  return {
    pid: child.pid ?? -1,
    mark,
    async until<T>(what: string, condition: () => T | Promise<T>): Promise<Exclude<T, undefined | false>> {
      return until(`${program}: ${what}`, () => {
        if (failure !== undefined) throw failure;
        if (child.exitCode !== null) throw new Error(`${program} ended with status ${child.exitCode} before ${what}`);
        return condition();
      });
    },
  };
}

function marked(mark: string): () => Task[] {
  return () => allTasks().filter((task) => environmentOf(task.pid).includes(`${MARK}=${mark}`));
}

function targetAt(pid: number, members: () => Task[], control: string | undefined): Target {
  const put = async <T>(question: string): Promise<T> => {
    if (control === undefined) throw new Error(`Cannot ask "${question}": the target has no control socket`);
    return ask<T>(control, question);
  };
  const kill = async () => {
    await until('every task of the target is killed', () => {
      const left = members();
      for (const task of left) killNow(task.pid);
      return left.length === 0;
    });
  };
  return {
    pid,
    ask: put,
    verify: () => put('verify'),
    alive: () => isAlive(pid),
    tree: () => treeOf(pid),
    kill,
    [Symbol.asyncDispose]: kill,
  };
}

/** A target that somebody else has started, such as a shell: known by the name of its control socket on its command line. */
export async function targetOf(control: string): Promise<Target> {
  const { pid } = await until('it answers', () => answered<{ pid: number }>(control, 'pid'));
  const members = () => allTasks().filter((task) => commandOf(task.pid).includes(control));
  return targetAt(pid, members, control);
}

/**
 * Kills the target, whoever started it last, and waits until its pids can be restored again. A restored tree is a child of this
 * process, whose root is reaped by who waits for `exited`.
 */
export async function killTree(target: Target, restored?: { readonly exited: Promise<unknown> }): Promise<void> {
  const pids = target.tree();
  await target.kill();
  await restored?.exited;
  await waitGone(pids);
}

async function answered<T>(control: string, question: string): Promise<T | undefined> {
  try {
    return await ask<T>(control, question);
  } catch (reason) {
    if (reason instanceof NoAnswer) return undefined;
    throw reason;
  }
}

function killNow(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended in the meantime.
  }
}
