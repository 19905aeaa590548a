// Messages between a runtime and the CRIU that took its seat, as they come: what Frazil has no part in (VERSION, FEATURE_CHECK), it does
// not read either.

import type { Fd } from '../../addon/fd.js';
import { hasHungUp, type Message, receive, send } from '../../addon/sockets.js';
import { CheckpointError } from '../../errors/checkpoint-error.js';

export interface Relay {
  readonly runtime: Fd;
  readonly criu: Fd;
  readonly signal: AbortSignal;
}

/** Both ways, until either end has hung up; then neither side has a peer any more. Rejects with ABORTED. */
export async function relay({ runtime, criu, signal }: Relay): Promise<void> {
  const ended = new AbortController();
  const either = AbortSignal.any([signal, ended.signal]);
  const way = async (from: Fd, to: Fd): Promise<void> => {
    try {
      while (await pass(from, to, either));
    } finally {
      ended.abort();
    }
  };
  const outcomes = await Promise.allSettled([way(runtime, criu), way(criu, runtime)]);
  runtime.close();
  criu.close();
  for (const outcome of outcomes) {
    if (outcome.status === 'rejected' && !(isAborted(outcome.reason) && !signal.aborted)) throw outcome.reason;
  }
}

/** Whether there is somebody to go on with. */
async function pass(from: Fd, to: Fd, signal: AbortSignal): Promise<boolean> {
  const message = await receive(from, { signal }).done;
  if (message === undefined) return false;
  return forward(to, message);
}

/** Sends a message with its fds, which are closed here. False when the receiver has hung up. */
export function forward(to: Fd, { bytes, fds }: Message): boolean {
  try {
    send(to, bytes, fds);
    return true;
  } catch (error) {
    if (hasHungUp(error)) return false;
    throw error;
  } finally {
    for (const fd of fds) fd.close();
  }
}

function isAborted(error: unknown): boolean {
  return CheckpointError.is(error, 'ABORTED');
}
