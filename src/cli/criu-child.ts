// CRIU as our child, for --json: the same arguments, our terminal, the signals we get, its exit status.

import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { constants } from 'node:os';
import type { Located } from '../criu/locate.js';
import type { Context } from './context.js';
import { EXIT } from './exit-code.js';
import { handedDump } from './handed-report.js';
import type { CriuCommand } from './parse/command-line.js';
import type { Settings } from './parse/settings.js';

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
  const child = spawn(path, passOn, { stdio: stdio(fds), env });
  const stop = forward(child, interruption);
  const exitCode = await ended(child);
  stop();
  const wallMs = Math.round(performance.now() - begun);
  const dumped = (word === 'dump' || word === 'pre-dump') && exitCode === EXIT.done;
  const figures = dumped ? { ...(await handedDump(settings)), wallMs } : {};
  terminal.printJson({ ...figures, handedTo: path, arguments: passOn, exitCode });
  return exitCode;
}

// stdout is ours, so CRIU's answers are for people.
function stdio(fds: readonly number[]): StdioOptions {
  const slots: (number | 'ignore')[] = [0, 2, 2];
  for (const fd of fds) {
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
