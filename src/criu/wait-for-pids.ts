// Right after a dump has killed a tree its pids are not free yet: each task stays a zombie until its parent has reaped it, and an
// orphan's parent is the reaper of the system, which may take seconds. Their numbers count as session and group, too, so a restore
// would end with "Can't fork for N: File exists". Zombies go away by themselves; so wait for them, but for nothing else.

import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay, setImmediate as others } from 'node:timers/promises';
import type { TreeEntry } from '../images/pstree.js';

// Some init processes reap once in two seconds.
const LIMIT_MS = 5_000;
const PERIOD_MS = 20;
// Processes looked at before others have their turn, about a millisecond.
const AT_ONCE = 64;

/**
 * Returns when no zombie holds a pid of the checkpoint, when a living process holds one (CRIU will say so), or after five seconds.
 * Pids of another namespace look like ours here: then it may wait for a stranger's zombie, which does no harm.
 */
export async function waitForPids(tasks: readonly TreeEntry[], signal: AbortSignal): Promise<void> {
  const wanted = new Set(tasks.flatMap(({ pid, sid, pgid, threads }) => [pid, sid, pgid, ...(threads ?? [])]));
  const until = performance.now() + LIMIT_MS;
  while (performance.now() < until && !signal.aborted) {
    if (!(await zombiesHold(wanted))) return;
    // An abort ends the wait; the caller looks at the signal next.
    await delay(PERIOD_MS, undefined, { signal }).catch(() => {});
  }
}

// These files are the kernel's memory: the thread pool would take five times as long, and a restore waits for it.
async function zombiesHold(wanted: ReadonlySet<number>): Promise<boolean> {
  for (const [i, name] of readdirSync('/proc').entries()) {
    if (i % AT_ONCE === AT_ONCE - 1) await others();
    if (/^\d+$/.test(name) && isZombieHolding(name, wanted)) return true;
  }
  return false;
}

// proc(5), /proc/PID/stat: state, ppid, pgrp and session follow the name, which may hold anything but is in parentheses.
function isZombieHolding(pid: string, wanted: ReadonlySet<number>): boolean {
  const stat = statOf(pid);
  const [state, , group, session] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  if (state !== 'Z' && state !== 'X') return false;
  return [pid, group, session].some((number) => wanted.has(Number(number)));
}

// Empty when it has gone meanwhile.
function statOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return '';
  }
}
