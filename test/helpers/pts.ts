// A shell on a terminal that the test holds: what is typed, what appears.

import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { programOf } from './target.js';
import { until } from './until.js';

export interface Shell extends AsyncDisposable {
  type(line: string): void;
  /** Waits until the terminal shows it, and forgets what was shown before. */
  shows(text: string): Promise<void>;
  /** Everything since the last `shows`. */
  screen(): string;
}

/** Starts `sh` as the leader of a session on a new terminal. */
export async function openShell(): Promise<Shell> {
  const child = spawn(await programOf('terminal'), ['sh'], {
    stdio: ['pipe', 'pipe', 'ignore'],
    env: { PATH: process.env['PATH'], PS1: 'ready> ', HOME: process.env['HOME'] },
  });
  return shellOn(child);
}

/** Listens at `socket` for the terminal that a runtime makes for a container, and is at its other end. */
export async function openConsole(socket: string): Promise<Shell> {
  const shell = shellOn(spawn(await programOf('console'), [socket], { stdio: ['pipe', 'pipe', 'ignore'] }));
  await shell.shows('listening');
  return shell;
}

function shellOn(child: ChildProcessByStdio<Writable, Readable, null>): Shell {
  let screen = '';
  child.stdout.on('data', (bytes) => {
    screen += bytes.toString();
  });
  // It goes away with its shell, maybe before our last word.
  child.stdin.on('error', () => {});
  return {
    type: (line) => {
      child.stdin.write(`${line}\n`);
    },
    shows: async (text) => {
      await until(`the terminal shows "${text}"`, () => screen.includes(text)).catch((reason: unknown) => {
        throw new Error(`The terminal shows: ${screen}`, { cause: reason });
      });
      screen = screen.slice(screen.indexOf(text) + text.length);
    },
    screen: () => screen,
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    },
  };
}
