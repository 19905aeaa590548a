// A runtime as our child, with Frazil in the seat of its CRIU where it will need one.

import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';
import type { Work } from '../criu/operation.js';
import type { CaptureProgress } from '../criu/progress.js';
import { CheckpointError } from '../errors/checkpoint-error.js';
import { type Env, pathOf } from './locate.js';
import { type Attended, attend } from './seat/attend.js';
import { openSeat } from './seat/seat.js';
import type { Deputy } from './seat/serve.js';

export interface RuntimeCall {
  /** Path of the runtime. */
  readonly file: string;
  readonly args: readonly string[];
  readonly stdio: StdioOptions;
  readonly env: Env;
  readonly cwd?: string | undefined;
  /** What is done with the child as soon as there is one; gets it once. */
  readonly started?: ((child: ChildProcess) => void) | undefined;
}

export interface RuntimeEnd {
  /** As a shell has it: 128 and the signal's number when a signal ended it. */
  readonly status: number;
}

const SIGNALED = 128;

/** Runs it to its end. Rejects with RUNTIME_MISSING when it cannot be started. */
export async function runRuntime({ file, args, stdio, env, cwd, started }: RuntimeCall): Promise<RuntimeEnd> {
  const child = spawn(file, args, { stdio, env, ...(cwd === undefined ? {} : { cwd }) });
  const exited = once(child, 'exit');
  started?.(child);
  try {
    const [code, signal]: (number | NodeJS.Signals | null)[] = await exited;
    if (typeof code === 'number') return { status: code };
    return { status: SIGNALED + (typeof signal === 'string' ? constants.signals[signal] : 0) };
  } catch (cause) {
    const { code = 'unknown' } = cause as NodeJS.ErrnoException;
    const message = `Cannot start the runtime "${file}": ${code}`;
    throw new CheckpointError('RUNTIME_MISSING', message, { runtime: file, tried: [file] }, { cause });
  }
}

export interface SeatedCall extends RuntimeCall {
  /** Path of the real CRIU. */
  readonly criu: string;
  readonly deputy?: Deputy;
}

/**
 * The same, with each CRIU that it starts being served by Frazil. An abort ends a dump in good order; what the runtime makes of
 * that is its answer. Rejects also with ADDON_MISSING and IO, before the runtime has been started.
 */
export async function runSeated(call: SeatedCall, work: Work<CaptureProgress>): Promise<RuntimeEnd & Attended> {
  const { criu, deputy, env } = call;
  await using seat = await openSeat({ criu, path: pathOf(env) });
  const over = new AbortController();
  const attended = attend({ seat, criu, deputy, ended: over.signal }, work);
  try {
    const end = await runRuntime({ ...call, env: { ...env, ...seat.env } });
    over.abort();
    return { ...end, ...(await attended) };
  } finally {
    over.abort();
    await attended;
  }
}
