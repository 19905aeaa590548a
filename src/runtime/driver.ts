// A runtime's program with its global options, and the ways of calling it.

import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { expectDone, type Invocation, invoke, type Said } from './invoke.js';
import type { Env } from './locate.js';
import type { Abortable, Streams } from './options.js';
import { runRuntime } from './process.js';
import type { Runtime } from './runtime.js';

export interface Driver {
  readonly runtime: Runtime;
  readonly file: string;
  readonly global: readonly string[];
  readonly env: Env;
  readonly criu: string | undefined;
}

export async function perform(
  driver: Driver,
  words: readonly string[],
  options: Streams & Abortable & Pick<Invocation, 'fds'>,
): Promise<{ readonly status: number }> {
  const { signal, fds } = options;
  const invocation = { ...invocationOf(driver, words), ...streamsOf(options), signal, fds };
  return ended(invocation, await invoke(invocation, runRuntime));
}

// A status that is not 0 is the process's own, unless the runtime has something to say.
export function ended(invocation: Invocation, said: Said): { readonly status: number } {
  if (said.errors.length > 0) expectDone(invocation, said);
  return { status: said.status };
}

export async function call(driver: Driver, words: readonly string[], { signal }: Abortable): Promise<void> {
  const invocation = { ...invocationOf(driver, words), signal };
  expectDone(invocation, await invoke(invocation, runRuntime));
}

export async function printed(driver: Driver, words: readonly string[], { signal }: Abortable): Promise<string> {
  const stdout = new PassThrough();
  const invocation = { ...invocationOf(driver, words), signal, stdout };
  const read = text(stdout);
  try {
    expectDone(invocation, await invoke(invocation, runRuntime));
  } finally {
    stdout.end();
  }
  return read;
}

export function invocationOf({ file, global, env }: Driver, words: readonly string[]): Invocation {
  return { file, global, env, words };
}

export function streamsOf({ stdin, stdout, stderr }: Streams): Streams {
  return {
    ...(stdin !== undefined && { stdin }),
    ...(stdout !== undefined && { stdout }),
    ...(stderr !== undefined && { stderr }),
  };
}
