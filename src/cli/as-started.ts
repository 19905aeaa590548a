// What this process was given when it was started and Node has changed since, for the program that takes its place.

import { readFileSync } from 'node:fs';

const STANDARD_FDS = [0, 1, 2] as const;
const NONBLOCKING = 0o4000;
const OCTAL = 8;

/**
 * Which of the standard fds are non-blocking. To be asked before `process.stdout` and its like are touched: libuv sets the flag for all
 * who share the pipe or terminal.
 */
export function nonblockingStdio(): readonly number[] {
  return STANDARD_FDS.filter((fd) => (flagsOf(fd) & NONBLOCKING) !== 0);
}

/**
 * The soft limit of open files that we were most likely started with: Node raises it to the hard one before any code of ours, and
 * keeps no record. A parent with the same hard limit and a lower soft one will not have set another for us alone. `undefined`: as it is.
 */
export function softLimitOfParent(): number | undefined {
  const own = openFilesOf('self');
  const parent = openFilesOf(process.ppid);
  return parent.hard === own.hard && parent.soft < own.soft ? parent.soft : undefined;
}

function flagsOf(fd: number): number {
  return Number.parseInt(/^flags:\s+(\d+)/m.exec(read(`self/fdinfo/${fd}`))?.[1] ?? '0', OCTAL);
}

function openFilesOf(process: number | 'self'): { readonly soft: number; readonly hard: number } {
  const [, soft = '', hard = ''] = /^Max open files\s+(\w+)\s+(\w+)/m.exec(read(`${process}/limits`)) ?? [];
  return { soft: limit(soft), hard: limit(hard) };
}

// An empty text, of a parent that is gone or not ours to look at, is equal to no limit.
function limit(text: string): number {
  if (text === 'unlimited') return Number.POSITIVE_INFINITY;
  return text === '' ? Number.NaN : Number(text);
}

function read(path: string): string {
  try {
    return readFileSync(`/proc/${path}`, 'utf8');
  } catch {
    // Not open, or forbidden: nothing is known, and nothing will be changed.
    return '';
  }
}
