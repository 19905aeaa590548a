// Right after a dump has killed a tree its pids are not free yet: each task stays a zombie until its parent has reaped it, and an
// orphan's parent is the reaper of the system, which may take seconds. Their numbers count as session and group, too, so a restore
// would end with "Can't fork for N: File exists". Zombies go away by themselves; so wait for them, but for nothing else.

import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { TreeEntry } from '../images/pstree.js';
import { mapFew } from '../pages/few.js';

// Some init processes reap once in two seconds.
const LIMIT_MS = 5_000;
const PERIOD_MS = 20;

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

async function zombiesHold(wanted: ReadonlySet<number>): Promise<boolean> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const held = await mapFew(pids, (pid) => isZombieHolding(pid, wanted));
  return held.includes(true);
}

// proc(5), /proc/PID/stat: state, ppid, pgrp and session follow the name, which may hold anything but is in parentheses.
async function isZombieHolding(pid: string, wanted: ReadonlySet<number>): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  const [state, , group, session] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  if (state !== 'Z' && state !== 'X') return false;
  return [pid, group, session].some((number) => wanted.has(Number(number)));
}
