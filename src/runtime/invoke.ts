// One call of a runtime by the library: streams, lent fds, abort, and what it has to say. Its standard error may belong to a
// container for years, so a runtime's own words are taken from its log.

import type { ChildProcess, StdioOptions } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Fd } from '../addon/fd.js';
import { CheckpointError } from '../errors/checkpoint-error.js';
import { openScratch } from '../images/scratch.js';
import type { Env } from './locate.js';
import type { Streams } from './options.js';
import type { RuntimeCall, RuntimeEnd } from './process.js';

export interface Invocation extends Streams {
  /** Path of the runtime. */
  readonly file: string;
  /** Before the command. */
  readonly global: readonly string[];
  /** The command, its options and operands. */
  readonly words: readonly string[];
  readonly env: Env;
  readonly fds?: ReadonlyArray<Fd | number> | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Said {
  readonly status: number;
  /** The runtime's own errors, in its words; empty when there were none. */
  readonly errors: readonly string[];
}

export const FIRST_LENT_FD = 3;

/** Runs it by `run`. Rejects with ABORTED, and as `run` does; a status that is not 0 is in the answer. */
export async function invoke<E extends RuntimeEnd>(
  invocation: Invocation,
  run: (call: RuntimeCall) => Promise<E>,
): Promise<E & Said> {
  const { file, global, words, env, signal } = invocation;
  if (isAborted(signal)) throw aborted(words, signal);
  await using scratch = await openScratch('runtime');
  const log = join(scratch.path, 'log');
  let child: ChildProcess | undefined;
  const abort = (): void => void child?.kill('SIGTERM');
  signal?.addEventListener('abort', abort, { once: true });
  const connected: Promise<void>[] = [];
  try {
    const end = await run({
      file,
      args: [...global, '--log', log, '--log-format', 'json', ...words],
      env,
      stdio: stdio(invocation),
      started: (started) => {
        child = started;
        connected.push(...connect(started, invocation));
      },
    });
    await Promise.all(connected);
    signal?.throwIfAborted();
    return { ...end, errors: errorsIn(await readFile(log, 'utf8').catch(() => '')) };
  } catch (error) {
    throw isAborted(signal) ? aborted(words, signal) : error;
  } finally {
    signal?.removeEventListener('abort', abort);
  }
}

/** Throws RUNTIME_REFUSED for a call that did not end well. */
export function expectDone({ file, words }: Pick<Invocation, 'file' | 'words'>, { status, errors }: Said): void {
  if (status === 0) return;
  const [command = ''] = words;
  const reason = errors.at(-1) ?? `it ended with status ${status}`;
  const message = `Cannot ${command} the container: ${reason} (${file})`;
  throw new CheckpointError('RUNTIME_REFUSED', message, { runtime: file, command, status, errors });
}

// Asked anew: what was looked at before may have changed since.
function isAborted(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true;
}

function aborted([command = '']: readonly string[], signal: AbortSignal | undefined): CheckpointError<'ABORTED'> {
  const message = `Cannot ${command} the container: the caller aborted it`;
  return new CheckpointError('ABORTED', message, {}, { cause: signal?.reason });
}

function stdio({ stdin, stdout, stderr, fds = [] }: Invocation): StdioOptions {
  return [stdin, stdout, stderr].map(slot).concat(fds.map(slot));
}

function slot(target: Readable | Writable | Fd | number | undefined): 'ignore' | 'pipe' | number {
  if (target === undefined) return 'ignore';
  if (typeof target === 'number') return target;
  return Fd.is(target) ? target.number : 'pipe';
}

// A reader that has gone, or a process that reads no more, ends a stream and is no failure of the call.
function connect(child: ChildProcess, { stdin, stdout, stderr }: Streams): readonly Promise<void>[] {
  const flows: Promise<void>[] = [];
  if (isStream(stdin) && child.stdin !== null) void pipeline(stdin, child.stdin).catch(() => {});
  if (isStream(stdout) && child.stdout !== null) flows.push(flow(child.stdout, stdout));
  if (isStream(stderr) && child.stderr !== null) flows.push(flow(child.stderr, stderr));
  return flows;
}

function flow(from: Readable, to: Writable): Promise<void> {
  return pipeline(from, to, { end: false }).catch(() => {});
}

function isStream<S extends Readable | Writable>(target: S | Fd | number | undefined): target is S {
  return typeof target === 'object' && !Fd.is(target);
}

// One object a line; a line that is none (a runtime that was killed in the middle of it) says nothing.
function errorsIn(log: string): readonly string[] {
  return log.split('\n').flatMap((line) => {
    try {
      const said: unknown = JSON.parse(line);
      if (typeof said !== 'object' || said === null || !('msg' in said)) return [];
      const level = 'level' in said ? said.level : 'error';
      return level === 'error' || level === 'fatal' ? [String(said.msg)] : [];
    } catch {
      return [];
    }
  });
}
