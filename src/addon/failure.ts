// From the addon's plain `{ errno, syscall }` to an error with a sentence, a stack and a cause.

import { constants } from 'node:os';
import { CheckpointError } from '../errors/checkpoint-error.js';
import type { NativeFailure } from './native-core.js';

/** Whether the addon said so, and not a TypeError or something else's throw. */
export function isNativeFailure(reason: unknown): reason is NativeFailure {
  if (typeof reason !== 'object' || reason === null || reason instanceof Error) return false;
  return (
    'errno' in reason && typeof reason.errno === 'number' && 'syscall' in reason && typeof reason.syscall === 'string'
  );
}

/** `action` completes "Cannot ...": "receive a message". Anything that is not a native failure comes back as it is. */
export function toError(reason: unknown, action: string): unknown {
  if (!isNativeFailure(reason)) return reason;
  const errno = errnoName(reason.errno);
  const message = `Cannot ${action}: ${reason.syscall} failed with ${errno}`;
  return new CheckpointError('IO', message, { syscall: reason.syscall, errno }, { cause: reason });
}

/** Runs a synchronous native call. */
export function attempt<T>(action: string, call: () => T): T {
  try {
    return call();
  } catch (reason) {
    throw toError(reason, action);
  }
}

// The names of the kernel: libuv lacks ECHILD among others. The first of two names for one number is the usual one (EAGAIN).
function errnoName(errno: number): string {
  const known = Object.entries(constants.errno).find(([, number]) => number === errno);
  return known?.[0] ?? `errno ${errno}`;
}
