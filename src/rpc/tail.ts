// What a child printed, kept without a reader: its standard output or error is a file in memory, of which the end is read when
// somebody asks. A pipe would need a handle in the event loop, would block the child when Node is busy, and would not end
// while a page server or an action script that CRIU started still holds it.

import { fstatSync, readSync } from 'node:fs';
import type { Fd } from '../addon/fd.js';
import { memfd } from '../addon/files.js';

const TAIL_BYTES = 64 * 1024;

export interface Tail extends Disposable {
  /** Lent to the child as its standard output or error. */
  readonly fd: Fd;
  /** The last 64 KiB; what was read last when already disposed. */
  text(): string;
}

export function openTail(name: string): Tail {
  const fd = memfd(name);
  let last = '';
  const text = (): string => {
    if (!fd.closed) last = readEnd(fd.number);
    return last;
  };
  return {
    fd,
    text,
    [Symbol.dispose]() {
      text();
      fd.close();
    },
  };
}

// Shared by all tails: nothing of it is kept between two calls.
let scratch: Buffer | undefined;

function readEnd(fd: number): string {
  scratch ??= Buffer.allocUnsafeSlow(TAIL_BYTES);
  // CRIU prints little or nothing: one read tells all, and the size need not be asked for.
  const got = readSync(fd, scratch, 0, TAIL_BYTES, 0);
  if (got < TAIL_BYTES) return scratch.toString('utf8', 0, got);
  const { size } = fstatSync(fd);
  return scratch.toString('utf8', 0, readSync(fd, scratch, 0, TAIL_BYTES, size - TAIL_BYTES));
}
