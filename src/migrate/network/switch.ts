// Moving the address of a tree with it, so that its connections stay. Frazil says when; what is done is the caller's: a function, or a
// command that is told the step in its environment. Both ends have one, because an address leaves here and arrives there.
//
//   destination  prepare   the final dump is announced: sockets must be able to have the address here, packets still go to the source
//   source       leave     the copy is there, with its sockets, and held; the tree is frozen and its connections are locked
//   destination  arrive    the copy may run: packets come here from now on
//   source       return    there is no copy after all: the address is wanted here again
//   destination  undo      the same, of what prepare and arrive have done

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { CheckpointError } from '../../errors/checkpoint-error.js';

export type NetworkStep = 'prepare' | 'leave' | 'arrive' | 'return' | 'undo';

/** A function, or a command for the shell, which finds the step in FRAZIL_NETWORK_STEP. `return` and `undo` must not mind being too much. */
export type NetworkSwitch = string | ((step: NetworkStep) => Promise<void> | void);

// The tree stands still meanwhile.
const LIMIT_MS = 10_000;

/** Rejects with IO when a command fails or takes too long, with what a function throws. */
export async function switchNetwork(how: NetworkSwitch | undefined, step: NetworkStep): Promise<void> {
  if (how === undefined) return;
  if (typeof how === 'function') return how(step);
  try {
    const env = { ...process.env, FRAZIL_NETWORK_STEP: step };
    await promisify(execFile)('/bin/sh', ['-c', how], { env, timeout: LIMIT_MS });
  } catch (cause) {
    const { stderr = '' } = cause as { readonly stderr?: string };
    const [said = ''] = stderr.trim().split('\n').slice(-1);
    const why = said !== '' ? said : cause instanceof Error ? cause.message : String(cause);
    const message = `Cannot switch the network (${step}): ${why.slice(0, 200)}`;
    throw new CheckpointError('IO', message, { syscall: 'execve' }, { cause });
  }
}
