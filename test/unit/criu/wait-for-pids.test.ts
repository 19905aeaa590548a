import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { waitForPids } from '../../../src/criu/wait-for-pids.js';
import { CheckpointError } from '../../../src/errors/checkpoint-error.js';
import { readPstree } from '../../../src/images/pstree.js';
import { isAlive, taskOf } from '../../helpers/procfs.js';
import { tempDir } from '../../helpers/temp-dir.js';
import { until } from '../../helpers/until.js';
import { pstreeFile, task } from '../images/records.js';

const NEVER = new AbortController().signal;

async function wait(pids: readonly number[], signal = NEVER): Promise<void> {
  await using dir = tempDir();
  writeFileSync(join(dir.path, 'pstree.img'), pstreeFile(pids.map((pid) => task(pid))));
  await waitForPids(await readPstree(dir.path), signal);
}

/** A zombie, and the parent that does not look after it. */
async function zombie(): Promise<{ pid: number; parent: ChildProcess }> {
  const parent = spawn('/bin/sh', ['-c', 'sleep 100 & echo $!; exec sleep 100'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [line] = await once(parent.stdout, 'data');
  const pid = Number(String(line));
  // A shell would reap it; sleep does not.
  await until('the shell has become a sleep', () => taskOf(parent.pid ?? 0)?.name === 'sleep');
  process.kill(pid, 'SIGKILL');
  await until('it is a zombie', () => taskOf(pid)?.state === 'Z');
  return { pid, parent };
}

describe('waitForPids()', () => {
  it('returns at once when the pids are free, and when a living process has one', async () => {
    const from = performance.now();
    await wait([2 ** 22 - 2]);
    await wait([process.pid]);
    expect(performance.now() - from).toBeLessThan(2000);
  });

  it('waits until the zombie is gone', async () => {
    const { pid, parent } = await zombie();
    const waiting = wait([pid]);
    expect(isAlive(pid)).toBe(false);
    // Its orphan goes to a reaper.
    parent.kill('SIGKILL');
    await waiting;
    expect(taskOf(pid)?.state).toBeUndefined();
  });

  it('is ended by an abort', async () => {
    const { pid, parent } = await zombie();
    const controller = new AbortController();
    const from = performance.now();
    const waiting = wait([pid], controller.signal);
    controller.abort();
    await waiting;
    expect(performance.now() - from).toBeLessThan(2000);
    parent.kill('SIGKILL');
  });

  it('gives up after five seconds', async () => {
    const { pid, parent } = await zombie();
    await wait([pid]);
    expect(taskOf(pid)?.state).toBe('Z');
    parent.kill('SIGKILL');
  });

  it('refuses images that are none', async () => {
    await using dir = tempDir();
    const error = await readPstree(dir.path)
      .then((tasks) => waitForPids(tasks, NEVER))
      .catch((reason: unknown) => reason);
    expect(CheckpointError.is(error, 'IO')).toBe(true);
  });
});
