// Slowing a tree down that changes its memory faster than the link carries it: its cgroup gets less processor time than it has used so far. Nothing
// of that may outlast the migration, so somebody waits beside us who gives it back if we are killed.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { CheckpointError } from '../../errors/checkpoint-error.js';
import { treeOf } from '../../pages/estimate.js';
import { mapFew } from '../../pages/few.js';
import { type CpuLimit, cpuLimitOf, type Setting } from './cpu-limit.js';

/** Disposing lifts it. */
export interface Throttle extends AsyncDisposable {
  /** From now on the tree has `share` less of the time than it used before the first of these. Rejects with IO when that is refused. */
  set(share: number): Promise<void>;
  /** At once, and for good. Idempotent. */
  lift(): void;
}

/** Rejects with FEATURE_MISSING where the tree cannot be slowed down. */
export async function openThrottle(root: number): Promise<Throttle> {
  const pids = await treeOf(root);
  const limit = await cpuLimitOf(pids);
  const begun = { atMs: performance.now(), usedMs: await usedMsOf(pids) };
  let used: number | undefined;
  let keeper: ChildProcess | undefined;
  let lifted = false;
  const lift = (): void => {
    if (lifted) return;
    lifted = true;
    if (keeper !== undefined) write(limit.original, 'gone');
    keeper?.stdin?.end('lifted\n');
  };
  return {
    async set(share) {
      if (lifted) return;
      used ??= ((await usedMsOf(await treeOf(root))) - begun.usedMs) / (performance.now() - begun.atMs) || 0;
      keeper ??= startKeeper(limit);
      write(limit.settings(Math.max(MIN_PROCESSORS, Math.min(used, limit.processors)) * (1 - share)), 'kept');
    },
    lift,
    async [Symbol.asyncDispose]() {
      lift();
      if (keeper !== undefined && keeper.exitCode === null && keeper.signalCode === null) await once(keeper, 'exit');
    },
  };
}

// A tree that has done less is not the one that keeps the link busy, and must be able to answer.
const MIN_PROCESSORS = 0.1;

// A shell: it has nothing to load, and takes no memory. At the end of its standard input without a word it is alone.
const KEEPER = 'read -r word && exit; while [ $# -gt 0 ]; do printf %s "$2" >"$1"; shift 2; done';

function startKeeper({ original }: CpuLimit): ChildProcess {
  const words = original.flatMap(({ path, text }) => [path, text]);
  // In a session of its own, so that what ends us does not end it.
  const child = spawn('sh', ['-c', KEEPER, 'sh', ...words], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] });
  // Without one a killed migration leaves the limit in place: worse, never wrong.
  child.on('error', () => {});
  child.stdin?.on('error', () => {});
  child.unref();
  return child;
}

function write(settings: readonly Setting[], cgroup: 'kept' | 'gone'): void {
  for (const { path, text } of settings) {
    try {
      writeFileSync(path, text);
    } catch (cause) {
      const { code: errno = 'unknown', syscall = 'write' } = cause as NodeJS.ErrnoException;
      // With its last task a cgroup may be gone, and with it the limit.
      if (cgroup === 'gone' && (errno === 'ENOENT' || errno === 'ENODEV')) continue;
      const message = `Cannot limit the processor time of the tree: writing "${text}" to "${path}" failed with ${errno}`;
      throw new CheckpointError('IO', message, { path, syscall, errno }, { cause });
    }
  }
}

// proc(5), /proc/PID/stat: utime and stime, in ticks of 10 ms for programs, behind the name in parentheses.
const TICK_MS = 10;

async function usedMsOf(pids: readonly number[]): Promise<number> {
  const times = await mapFew(pids, async (pid) => {
    const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) * TICK_MS;
  });
  return times.reduce((sum, each) => sum + each, 0);
}
