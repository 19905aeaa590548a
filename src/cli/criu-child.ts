// CRIU as our child, for --json: the same arguments, our terminal, the signals we get, its exit status.

import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Located } from '../criu/locate.js';
import type { Context } from './context.js';
import { EXIT } from './exit-code.js';
import { type HandedDump, type HandedRestore, handedDump, handedRestore } from './handed-report.js';
import type { CriuCommand, CriuWord } from './parse/command-line.js';
import { lastValue, type Settings } from './parse/settings.js';

const FORWARDED = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR2'] as const;
/** What a shell reports for a child that a signal ended. */
const SIGNALED = 128;

/** Resolves with the status to exit with, after the object was printed. */
export async function runAsChild(
  { path }: Located,
  { word, passOn }: CriuCommand,
  {
    fds,
    settings,
    context,
  }: { readonly fds: readonly number[]; readonly settings: Settings; readonly context: Context },
): Promise<number> {
  const { env, interruption, terminal } = context;
  const begun = performance.now();
  await using pid = word === 'restore' ? await pidfileOf(settings) : undefined;
  const child = spawn(path, [...(pid?.asked ?? []), ...passOn], { stdio: stdio(fds), env });
  const stop = forward(child, interruption);
  const exitCode = await ended(child);
  stop();
  const wallMs = Math.round(performance.now() - begun);
  const figures = exitCode === EXIT.done ? await figuresOf(word, settings, pid?.path) : undefined;
  const took = figures === undefined ? {} : { ...figures, wallMs };
  terminal.printJson({ ...took, handedTo: path, arguments: passOn, exitCode });
  return exitCode;
}

async function figuresOf(
  word: CriuWord,
  settings: Settings,
  pidfile: string | undefined,
): Promise<HandedDump | HandedRestore | undefined> {
  if (word === 'dump' || word === 'pre-dump') return handedDump(settings);
  return pidfile === undefined ? undefined : handedRestore(settings, pidfile);
}

interface Pidfile extends AsyncDisposable {
  readonly path: string;
  /** What to tell CRIU, when its caller has not. */
  readonly asked: readonly string[];
}

// CRIU's only word about which pid it restored, beside its log.
async function pidfileOf(settings: Settings): Promise<Pidfile> {
  const given = lastValue(settings, 'pidfile');
  if (given !== undefined) return { path: given, asked: [], async [Symbol.asyncDispose]() {} };
  const directory = await mkdtemp(join(tmpdir(), 'frazil-pidfile-'));
  const path = join(directory, 'pid');
  return {
    path,
    asked: ['--pidfile', path],
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
  };
}

// stdout is ours, so CRIU's answers are for people.
function stdio(fds: readonly number[]): StdioOptions {
  const slots: (number | 'ignore')[] = [0, 2, 2];
  // One that is not open CRIU misses by itself.
  for (const fd of fds.filter((one) => existsSync(`/proc/self/fd/${one}`))) {
    while (slots.length <= fd) slots.push('ignore');
    slots[fd] = fd;
  }
  return slots;
}

function forward(child: ChildProcess, interruption: Context['interruption']): () => void {
  // A terminal's Ctrl-C reaches CRIU by itself; a second delivery changes nothing for it.
  const listeners = FORWARDED.map((signal) => [signal, () => child.kill(signal)] as const);
  for (const [signal, listener] of listeners) process.on(signal, listener);
  const back = interruption.divert(() => undefined);
  return () => {
    for (const [signal, listener] of listeners) process.off(signal, listener);
    back();
  };
}

function ended(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      resolve(code ?? (signal === null ? EXIT.failed : SIGNALED + constants.signals[signal]));
    });
  });
}
