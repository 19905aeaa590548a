// `frazil runc ...`: the real runtime with the same arguments. Only its CRIU is ours, and only checkpoint and restore start one; for
// everything else this process becomes the runtime. So options, texts, exit status and files are the runtime's own.

import type { ChildProcess, StdioOptions } from 'node:child_process';
import { readlinkSync } from 'node:fs';
import { locate } from '../../criu/locate.js';
import { CheckpointError } from '../../errors/checkpoint-error.js';
import { locateRuntime } from '../../runtime/locate.js';
import { runRuntime, runSeated } from '../../runtime/process.js';
import type { Context } from '../context.js';
import { become } from '../hand-over.js';
import { readRuncLine } from '../parse/runc-line.js';

const SEATED: ReadonlySet<string | undefined> = new Set(['checkpoint', 'restore']);
const FORWARDED = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'] as const;
const STANDARD_FDS = 3;

/** Resolves with the status to exit with, where it comes back at all. Throws RUNTIME_MISSING. */
export async function runRunc(args: readonly string[], context: Context): Promise<number> {
  const { env } = context;
  const file = await locateRuntime({ name: 'runc', env });
  const fds = namedFds(args, env).filter(isOpen);
  const { command, criu: named, seated } = readRuncLine(args);
  if (!SEATED.has(command)) return become({ path: file }, args, { fds, context });
  const call = { file, args, env, stdio: stdio(fds), started: forward(context) };
  const criu = await findCriu(named, env);
  // Then the runtime says so itself, if it comes that far.
  if (criu === undefined) return (await runRuntime(call)).status;
  const { status, failure } = await runSeated(
    { ...call, args: seated, criu },
    { signal: new AbortController().signal, emit() {} },
  );
  // A refusal was the runtime's to tell; a mistake of ours is not.
  if (failure !== undefined && !CheckpointError.is(failure.error)) throw failure.error;
  return status;
}

/** The fds above 2 that arguments or environment name: Node marks every other one as its own, so they would not reach the runtime. */
export function namedFds(args: readonly string[], env: Context['env']): readonly number[] {
  const numbers = new Set<number>();
  const upTo = (count: number): void => {
    for (let fd = STANDARD_FDS; fd < STANDARD_FDS + count; fd++) numbers.add(fd);
  };
  args.forEach((argument, at) => {
    const [, name, inline] = /^--?(status-fd|preserve-fds)(?:=(.*))?$/.exec(argument) ?? [];
    const value = Number(inline ?? args[at + 1]);
    if (name === 'preserve-fds' && isFd(value)) upTo(value);
    if (name === 'status-fd' && isFd(value)) numbers.add(value);
    const byPath = Number(/\/(?:dev|proc\/self)\/fd\/(\d+)/.exec(argument)?.[1] ?? Number.NaN);
    if (isFd(byPath)) numbers.add(byPath);
  });
  const passed = Number(env['LISTEN_FDS']);
  if (isFd(passed)) upTo(passed);
  return [...numbers].filter((fd) => fd >= STANDARD_FDS);
}

const MAX_FD = 1024;

function isFd(number: number): boolean {
  return Number.isInteger(number) && number > 0 && number <= MAX_FD;
}

// The runtime says itself what it thinks of one that is not open. An event fd is Node's: nobody lends a runtime one.
function isOpen(fd: number): boolean {
  try {
    return !readlinkSync(`/proc/self/fd/${fd}`).startsWith('anon_inode:[event');
  } catch {
    return false;
  }
}

function stdio(fds: readonly number[]): StdioOptions {
  const slots: (number | 'ignore')[] = [0, 1, 2];
  for (const fd of fds) {
    while (slots.length <= fd) slots.push('ignore');
    slots[fd] = fd;
  }
  return slots;
}

// The runtime passes them on to its container, or ends; either way we end with it.
function forward({ interruption }: Context): (child: ChildProcess) => void {
  return (child) => {
    interruption.divert(() => undefined);
    for (const signal of FORWARDED) process.on(signal, () => child.kill(signal));
  };
}

// A name without a folder is looked for in PATH by the runtime, which is what we do without it.
async function findCriu(named: string | undefined, env: Context['env']): Promise<string | undefined> {
  try {
    return (await locate({ env, ...(named?.includes('/') === true && { criu: named }) })).path;
  } catch (error) {
    if (CheckpointError.is(error, 'CRIU_MISSING')) return undefined;
    throw error;
  }
}
