// A tree here, a second host, and between them a proxy that does something at each message; and where the tree is afterwards.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import type { RestoreOptions } from '../../src/options/types.js';
import { ask, NoAnswer } from './ask.js';
import { type Direction, type MessageProxy, startProxy } from './message-proxy.js';
import { type SecondHost, startHost } from './second-host.js';
import { startTarget, type Target } from './target.js';
import { tempDir } from './temp-dir.js';
import { until } from './until.js';

export interface Stage extends AsyncDisposable {
  readonly target: Target;
  readonly host: SecondHost;
  readonly proxy: MessageProxy;
  /** Where the copy answers. */
  readonly there: string;
  /** Where the receiver keeps images. */
  readonly images: string;
}

type OnMessage = (direction: Direction, type: string, host: SecondHost) => 'pass' | 'cut' | Promise<'pass' | 'cut'>;

export interface Cut {
  readonly onMessage: OnMessage;
  /** Whether it has come to that. */
  readonly done: boolean;
}

/** Breaks the connection once, in place of this message: "to-source running". */
export function cutAt(message: string): Cut {
  let done = false;
  return {
    onMessage(direction, type) {
      if (done || `${direction} ${type}` !== message) return 'pass';
      done = true;
      return 'cut';
    },
    get done() {
      return done;
    },
  };
}

interface StageOptions {
  readonly restore?: RestoreOptions;
  readonly leftBytes?: number;
  readonly imagesBytes?: number;
}

/** `imagesBytes`: room for images, in memory. `leftBytes`: of the pages that are left behind so much passes, and the rest never. */
export async function stage(
  onMessage: OnMessage,
  { restore = {}, leftBytes, imagesBytes }: StageOptions = {},
): Promise<Stage> {
  const dir = tempDir();
  const elsewhere = tempDir();
  const control = join(dir.path, 'control');
  const target = await startTarget('memory', [control, '8', '2', '10'], { control });
  // What the copy makes of its control socket must not take the place of the one here.
  const folder = elsewhere.folder('there');
  const at = join(elsewhere.path, 'host');
  const images = elsewhere.folder('images');
  if (imagesBytes !== undefined)
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${imagesBytes},mode=700`, 'tmpfs', images]);
  const host = await startHost({ at, binds: [[dir.path, folder]], directory: images, restore });
  const through = (direction: Direction, type: string) => onMessage(direction, type, host);
  const proxy = await startProxy(join(elsewhere.path, 'proxy'), at, { onMessage: through, leftBytes });
  return {
    target,
    host,
    proxy,
    there: join(folder, 'control'),
    images,
    async [Symbol.asyncDispose]() {
      for (const each of [proxy, host, target]) await each[Symbol.asyncDispose]();
      if (imagesBytes !== undefined) execFileSync('umount', ['-l', images]);
      for (const each of [elsewhere, dir]) await each[Symbol.asyncDispose]();
    },
  };
}

export async function outcomeOf({ done }: { readonly done: Promise<unknown> }): Promise<'moved' | 'stayed'> {
  return done.then(
    () => 'moved',
    () => 'stayed',
  );
}

/** The tree answers at one place, with what it had, and is not at the other. */
export async function expectOne({ target, host, there }: Stage, lives: string, digest: unknown): Promise<void> {
  if (lives === 'moved') {
    await until('the tree is gone here', () => !target.alive());
    expect(await ask(there, 'digest')).toEqual(digest);
    return;
  }
  await until('the tree runs here', () => stateOf(target.pid) !== 'T' && stateOf(target.pid) !== 't');
  expect(await target.ask('digest')).toEqual(digest);
  // The shell, its receiver perhaps, and ps itself.
  await until('nothing of it is there', async () => !(await host.tasks()).includes(target.pid));
  await expect(ask(there, 'digest')).rejects.toThrow(NoAnswer);
}

export function stateOf(pid: number): string | undefined {
  return /^State:\s+(\S)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
}

export function startSource(pid: number, options: object): ChildProcess {
  const here = (name: string): string => fileURLToPath(new URL(`./${name}`, import.meta.url));
  const given = JSON.stringify({ pid, options });
  return spawn(process.execPath, ['--import', here('ts-hooks.mjs'), here('migrate-program.ts'), given], {
    stdio: ['ignore', 'inherit', 'ignore'],
  });
}
