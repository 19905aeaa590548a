// What /proc says about processes. A process that ends while it is looked at is simply not there.

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { until } from './until.js';

export interface Task {
  readonly pid: number;
  readonly name: string;
  /** R, S, D, T (stopped), t (traced), Z (zombie) */
  readonly state: string;
  readonly parent: number;
  readonly group: number;
  readonly session: number;
}

export function taskOf(pid: number): Task | undefined {
  const line = read(`/proc/${pid}/stat`);
  const [, name, rest] = line?.match(/^\d+ \((.*)\) (.*)$/s) ?? [];
  if (name === undefined || rest === undefined) return undefined;
  const [state = '?', parent, group, session] = rest.split(' ');
  return { pid, name, state, parent: Number(parent), group: Number(group), session: Number(session) };
}

export function allTasks(): Task[] {
  return pidsIn('/proc').flatMap((pid) => taskOf(pid) ?? []);
}

/** Zombies do not count. */
export function isAlive(pid: number): boolean {
  const task = taskOf(pid);
  return task !== undefined && task.state !== 'Z' && task.state !== 'X';
}

export function childrenOf(pid: number): number[] {
  return pidsIn(`/proc/${pid}/task`).flatMap((tid) => numbers(read(`/proc/${pid}/task/${tid}/children`) ?? ''));
}

/** `pid` and all its descendants. */
export function treeOf(pid: number): number[] {
  return [pid, ...childrenOf(pid).flatMap(treeOf)];
}

/** Open fds and what they lead to: { 0: "/dev/null", 3: "socket:[123]" }. */
export function fdsOf(pid: number | 'self'): Record<number, string> {
  const folder = `/proc/${pid}/fd`;
  const open: Record<number, string> = {};
  for (const fd of pidsIn(folder)) {
    try {
      open[fd] = readlinkSync(`${folder}/${fd}`);
    } catch {
      // The fd that readdir used itself.
    }
  }
  return open;
}

export function environmentOf(pid: number): string {
  return read(`/proc/${pid}/environ`) ?? '';
}

export function commandOf(pid: number): string[] {
  return (read(`/proc/${pid}/cmdline`) ?? '').split('\0').filter((word) => word !== '');
}

/**
 * The file that it executes. Unlike its command line and its environment, which lie in its memory, this can be read while the task is
 * being filled: the kernel finds nothing where a page is missing.
 */
export function executableOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/exe`);
  } catch {
    return undefined;
  }
}

/**
 * Waits until no task has one of `pids` as its pid, process group or session.
 * Orphans become zombies until pid 1 reaps them, which takes it up to 2 s here, and a restore of the same pids fails
 * until then: "Can't fork for PID: File exists".
 */
export async function waitGone(pids: readonly number[]): Promise<void> {
  const taken = (task: Task) => [task.pid, task.group, task.session].some((id) => pids.includes(id));
  await until(`no task has a pid, group or session of ${pids.join(', ')}`, () => !allTasks().some(taken));
}

function pidsIn(folder: string): number[] {
  try {
    return readdirSync(folder).map(Number).filter(Number.isInteger);
  } catch {
    return [];
  }
}

function numbers(text: string): number[] {
  return text.split(' ').filter(Boolean).map(Number);
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
