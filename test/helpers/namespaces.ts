// Namespaces that are kept by a process of their own, as a pod's or an engine's are.

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readlinkSync } from 'node:fs';
import { promisify } from 'node:util';
import { until } from './until.js';

type Kind = 'net' | 'ipc' | 'uts';

export interface Namespaces extends AsyncDisposable {
  /** Where it can be joined. */
  path(kind: string): string;
  /** Runs a command in them. */
  run(...command: string[]): Promise<string>;
}

export async function openNamespaces(kinds: readonly Kind[]): Promise<Namespaces> {
  const holder = spawn('unshare', [...kinds.map((kind) => `--${kind}`), 'sleep', '600'], { stdio: 'ignore' });
  const path = (kind: string): string => `/proc/${holder.pid}/ns/${kind}`;
  const [first = 'net'] = kinds;
  await until('the namespaces are there', () => {
    const at = path(first);
    return existsSync(at) && readlinkSync(at) !== readlinkSync(`/proc/self/ns/${first}`);
  });
  return {
    path,
    run: async (...command) => {
      const flags = kinds.map((kind) => `--${kind}`);
      const { stdout } = await promisify(execFile)('nsenter', ['-t', String(holder.pid), ...flags, ...command]);
      return stdout;
    },
    async [Symbol.asyncDispose]() {
      const ended = once(holder, 'exit');
      holder.kill('SIGKILL');
      await ended;
    },
  };
}
