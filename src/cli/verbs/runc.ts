// `frazil runc ...`: the real runtime with the same arguments. Only its CRIU is ours, and only checkpoint and restore start one; for
// everything else this process becomes the runtime. So options, texts, exit status and files are the runtime's own.

import type { ChildProcess, StdioOptions } from 'node:child_process';
import { locate } from '../../criu/locate.js';
import { CheckpointError } from '../../errors/checkpoint-error.js';
import { locateRuntime } from '../../runtime/locate.js';
import { runRuntime, runSeated } from '../../runtime/process.js';
import type { Context } from '../context.js';
import { become } from '../hand-over.js';

const SEATED: ReadonlySet<string | undefined> = new Set(['checkpoint', 'restore']);
/** Global options of runc and crun whose value is a word of its own. */
const WITH_VALUE: ReadonlySet<string> = new Set(['log', 'log-format', 'root', 'criu', 'rootless', 'cgroup-manager']);
const FORWARDED = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'] as const;
const STANDARD_FDS = 3;

/** Resolves with the status to exit with, where it comes back at all. Throws RUNTIME_MISSING. */
export async function runRunc(args: readonly string[], context: Context): Promise<number> {
  const { env } = context;
  const file = await locateRuntime({ name: 'runc', env });
  if (!SEATED.has(subcommandOf(args))) return become({ path: file }, args, { fds: namedFds(args, env), context });
  const call = { file, args, env, stdio: stdio(namedFds(args, env)), started: forward(context) };
  const criu = await findCriu(env);
  // Then the runtime says so itself, if it comes that far.
  if (criu === undefined) return (await runRuntime(call)).status;
  const { status, failure } = await runSeated({ ...call, criu }, { signal: new AbortController().signal, emit() {} });
  // A refusal was the runtime's to tell; a mistake of ours is not.
  if (failure !== undefined && !CheckpointError.is(failure.error)) throw failure.error;
  return status;
}

/** The first word that is neither an option nor the value of one. */
export function subcommandOf(args: readonly string[]): string | undefined {
  for (let at = 0; at < args.length; at++) {
    const option = /^--?([^-=][^=]*)(=?)/.exec(args[at] ?? '');
    if (option === null) return args[at];
    if (option[2] === '' && WITH_VALUE.has(option[1] ?? '')) at++;
  }
  return undefined;
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

async function findCriu(env: Context['env']): Promise<string | undefined> {
  try {
    return (await locate({ env })).path;
  } catch (error) {
    if (CheckpointError.is(error, 'CRIU_MISSING')) return undefined;
    throw error;
  }
}
