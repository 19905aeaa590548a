// As second-host.ts, of what is built: `frazil receive` itself. An emulated processor takes a minute to compile a receiver, besides.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { until } from './until.js';

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

export interface BuiltHost extends AsyncDisposable {
  readonly address: string;
  /** What it has printed. */
  said(): string;
}

/** Starts it, with more options if need be, and waits until it listens at that unix socket. */
export async function startBuiltHost(at: string, ...options: readonly string[]): Promise<BuiltHost> {
  const flags = ['--pid', '--net', '--fork', '--kill-child', '--mount-proc'];
  // The shell is the first process there, and stays when the receiver has ended.
  const script = 'ip link set lo up; "$@"; sleep 600';
  const receiver = [process.execPath, MAIN, 'receive', '--listen', `unix:${at}`, '--json', ...options];
  const child = spawn('unshare', [...flags, 'sh', '-c', script, 'sh', ...receiver], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout.on('data', (piece) => {
    said += String(piece);
  });
  await until('the second host listens', () => said.includes('listening'));
  return {
    address: `unix:${at}`,
    said: () => said,
    async [Symbol.asyncDispose]() {
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    },
  };
}
