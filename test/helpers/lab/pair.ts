// Two machines of the lab with a cable between them (docs/lab.md): each a kernel, an address and a clock of its own, so that nothing of a
// tree can come along by itself.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { need } from '../needs.js';
import { home } from '../prefix.js';
import { until } from '../until.js';

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

export const LAB = need('the lab', !existsSync(join(home, 'lab/kernel')) && 'run scripts/setup --lab');

/** Of an emulated machine on a busy one: its boot, and Node with all modules. */
const PATIENCE_MS = 240_000;

export interface LabMachine<Event extends { readonly event: string }> extends AsyncDisposable {
  /** What its program has said, when it has said it. */
  event(kind: Event['event']): Promise<Event>;
  /** The program's exit status. */
  status(): Promise<number>;
}

export interface LabRequest {
  /** `listen:PATH` or `connect:PATH`: its end of the cable. */
  readonly link: string;
  /** With the length of the network's prefix. */
  readonly address: string;
  /** One of the programs beside this file. */
  readonly program: string;
  readonly options: object;
}

/** Boots a machine that runs one program, which says on stdout what happens as lines of JSON. */
export function bootLab<Event extends { readonly event: string }>(request: LabRequest): LabMachine<Event> {
  const { link, address, program, options } = request;
  const command = [process.execPath, here(`./${program}`), JSON.stringify(options)];
  const child: ChildProcess = spawn(here('../../../scripts/lab'), command, {
    env: {
      ...process.env,
      FRAZIL_LAB_LINK: link,
      FRAZIL_LAB_ADDRESS: address,
      FRAZIL_LAB_MEM: '1G',
      FRAZIL_LAB_TIMEOUT: '240',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = once(child, 'close').then(([status]) => Number(status));
  const events: Event[] = [];
  const said: string[] = [];
  if (child.stdout !== null)
    createInterface({ input: child.stdout }).on('line', (line) => events.push(JSON.parse(line)));
  child.stderr?.on('data', (text) => said.push(String(text)));
  return {
    event: (kind) =>
      until(
        `${program} says "${kind}"`,
        () => {
          if (child.exitCode !== null) throw new Error(`${program} ended with ${child.exitCode}: ${said.join('')}`);
          return events.find(({ event }) => event === kind);
        },
        PATIENCE_MS,
      ),
    status: () => ended,
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGTERM');
      await ended;
    },
  };
}
