// A second host on this machine: pid, mount and network namespaces of their own, in which a pid that is taken here is free, and in which the
// files and abstract sockets of a target can be others. It is reached by a unix socket. A program in it receives a migration and then stays, because its end would end the namespace.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { ReceiveOptions } from '../../src/migrate/destination/options.js';
import { until } from './until.js';

export interface HostEvent {
  readonly event: 'listening' | 'running' | 'gone' | 'ended';
  readonly address?: string;
  readonly token?: string;
  readonly pid?: number;
  readonly code?: string;
  readonly message?: string;
}

export interface SecondHost extends AsyncDisposable {
  /** Where it listens. */
  readonly address: string;
  readonly token: string | undefined;
  readonly events: readonly HostEvent[];
  event(kind: HostEvent['event']): Promise<HostEvent>;
  /** SIGKILL to the receiver alone; what it has restored stays as it is. Resolves when it has ended. */
  killReceiver(): Promise<void>;
  /** Its first process, whose namespaces are the host's. */
  first(): Promise<number>;
  /** Pids, in the namespace of the host, of all tasks there. */
  tasks(): Promise<readonly number[]>;
}

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

export interface HostOptions extends Omit<ReceiveOptions, 'listen' | 'signal'> {
  /** A path for its unix socket. Without one it shares our network, and listens on loopback. */
  readonly at?: string;
  /** Where it listens in a network of its own, instead of at that socket. */
  readonly listen?: string;
  /** Pairs of folders: in the host the second one is seen where the first one is here. */
  readonly binds?: readonly (readonly [string, string])[];
}

/** Starts it and waits until it listens. */
export async function startHost({ at, listen, binds = [], ...options }: HostOptions = {}): Promise<SecondHost> {
  const mounts = binds.map(([at, from]) => `mount --bind ${from} ${at} && `).join('');
  const program = [process.execPath, '--import', here('./ts-hooks.mjs'), here('./receive-program.ts')];
  // CRIU looks around by connecting to itself.
  const script = `ip link set lo up && ${mounts}"$@" & child=$!; echo "{\\"event\\":\\"started\\",\\"pid\\":$child}"; wait $child; sleep 600`;
  const apart = at !== undefined || listen !== undefined;
  const given = JSON.stringify({ listen: listen ?? (apart ? `unix:${at}` : '127.0.0.1:0'), ...options });
  const child = spawn(
    'unshare',
    [
      '--pid',
      ...(apart ? ['--net'] : []),
      '--fork',
      '--kill-child',
      '--mount-proc',
      'sh',
      '-c',
      script,
      'sh',
      ...program,
      given,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'], detached: true },
  );
  const events: HostEvent[] = [];
  const lines = createInterface({ input: child.stdout });
  lines.on('line', (line) => events.push(JSON.parse(line)));
  const listening = await until('the second host listens', () => events.find(({ event }) => event === 'listening'));
  return {
    address: listening.address ?? '',
    token: listening.token,
    events,
    event: (kind) => until(`the second host says "${kind}"`, () => events.find(({ event }) => event === kind)),
    killReceiver: async () => {
      const pid = startedPid(events);
      await inside(child, ['kill', '-KILL', String(pid)]);
      await until(
        'the receiver has ended',
        async () => (await inside(child, ['ps', '-o', 'pid=', '-p', `${pid}`])) === '',
      );
    },
    first: () => firstChild(child.pid ?? -1),
    tasks: async () => (await inside(child, ['ps', '-eo', 'pid='])).split('\n').map(Number).filter(Boolean),
    [Symbol.asyncDispose]: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    },
  };
}

function startedPid(events: readonly unknown[]): number {
  const started = events.find((each) => (each as { event: string }).event === 'started') as { pid: number };
  return started.pid;
}

/** Runs a command in the namespaces of the host's first task. */
async function inside({ pid }: ChildProcess, command: readonly string[]): Promise<string> {
  const first = await firstChild(pid ?? -1);
  const child = spawn('nsenter', ['-t', String(first), '-p', '-m', ...command], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.on('data', (piece) => {
    text += String(piece);
  });
  await once(child, 'close');
  return text;
}

async function firstChild(pid: number): Promise<number> {
  const { readFile } = await import('node:fs/promises');
  return Number((await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).trim().split(' ')[0]);
}
