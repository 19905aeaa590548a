// CRIU itself does it, as if it had been called: the same arguments, our terminal, the signals we get, its exit status. It is
// a child and not an exec, because Node 20 cannot exec; what follows from that is in docs/adr/0005.

import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { constants } from 'node:os';
import { locate } from '../criu/locate.js';
import type { Context } from './context.js';
import { EXIT } from './exit-code.js';
import type { CriuCommand } from './parse/command-line.js';
import type { Settings } from './parse/settings.js';

const FORWARDED = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR2'] as const;
const STANDARD_FDS = 3;
/** What a shell reports for a child that a signal ended. */
const SIGNALED = 128;

/** Resolves with the status to exit with. Throws CRIU_MISSING. */
export async function handOver(
  { word, operands, passOn }: CriuCommand,
  settings: Settings,
  { terminal, preferences, env, interruption }: Context,
): Promise<number> {
  const { criu, json } = preferences;
  const { path } = await locate({ criu, env });
  const child = spawn(path, passOn, { stdio: stdio(namedFds(settings, word === 'swrk' ? operands : []), json), env });
  const stop = forward(child, interruption);
  const exit = await ended(child);
  stop();
  if (json) terminal.printJson({ handedTo: path, arguments: passOn, exitCode: exit });
  return exit;
}

/** The fds that the arguments name: Node marks every other one as its own, so they would not reach CRIU. */
export function namedFds(settings: Settings, operands: readonly string[]): readonly number[] {
  const values = (name: string): readonly string[] =>
    (settings.get(name)?.values ?? []).filter((one) => one !== undefined);
  const inherited = values('inherit-fd').map((value) => /^fd\[(\d+)\]/.exec(value)?.[1] ?? '');
  const named = [...inherited, ...values('status-fd'), ...values('ps-socket'), ...values('close'), ...operands];
  return named.filter((text) => /^\d+$/.test(text)).map(Number);
}

// With --json stdout is ours, so CRIU's answers are for people.
function stdio(fds: readonly number[], json: boolean): StdioOptions {
  const slots: (number | 'ignore')[] = [0, json ? 2 : 1, 2];
  for (const fd of fds.filter((one) => one >= STANDARD_FDS)) {
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
