// verb-program.ts as a child, and what it says.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { waitGone } from './procfs.js';
import { until } from './until.js';
import type { Event, Task } from './verb-program.js';

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));

/** The command that runs `task`. */
export function verbCommand(task: Task): string[] {
  return [process.execPath, '--import', here('./ts-hooks.mjs'), here('./verb-program.ts'), JSON.stringify(task)];
}

export interface VerbProcess extends AsyncDisposable {
  readonly pid: number;
  readonly events: readonly Event[];
  /** Waits for an event; fails with what the program said instead. */
  event<K extends Event['event']>(kind: K): Promise<Extract<Event, { event: K }>>;
  kill(): Promise<void>;
}

export function startVerb(task: Task): VerbProcess {
  const [program = '', ...args] = verbCommand(task);
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const events: Event[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => events.push(JSON.parse(line)));
  const kill = async () => killChild(child);
  return {
    pid: child.pid ?? -1,
    events,
    event: async (kind) => {
      const found = await until(`the program tells "${kind}"`, () => {
        const event = events.find((each) => each.event === kind);
        if (event === undefined && (child.exitCode !== null || child.signalCode !== null)) return 'ended' as const;
        return event;
      });
      if (found === 'ended') throw new Error(`The program ended without "${kind}": ${JSON.stringify(events)}`);
      return found as Extract<Event, { event: typeof kind }>;
    },
    kill,
    [Symbol.asyncDispose]: kill,
  };
}

async function killChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
  await waitGone([child.pid]);
}
