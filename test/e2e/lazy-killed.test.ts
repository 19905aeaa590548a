// kill -9 of one of the two processes that serve a lazy restore, at any instant: the tree is dead then, the error says so, and no task
// has ever read a zero in place of data. The target reads all of its memory for ever; a wrong page would end it with status 9.

import { existsSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect } from 'vitest';
import type { FillReport } from '../../src/criu/restore.js';
import type { Tree } from '../../src/criu/tree.js';
import { CheckpointError } from '../../src/errors/checkpoint-error.js';
import { CRIU_42 } from '../helpers/criu-cli.js';
import { checkpointOfFaults, type Lazily } from '../helpers/lazily.js';
import { testWith } from '../helpers/needs.js';
import { childrenOf, commandOf } from '../helpers/procfs.js';
import { until } from '../helpers/until.js';

const ROUNDS = Number(process.env['FRAZIL_LAZY_ROUNDS'] ?? '60');
const MEGABYTES = 256;
// A restore takes about 100 ms: before CRIU has connected, while tasks arrive, as they begin to run, in the midst of the fill.
const LATEST_MS = 300;

type Victim = 'server' | 'guardian';

interface Outcome {
  readonly tree?: Tree;
  readonly error: unknown;
  readonly report?: FillReport;
}

/** The process of the service that this process has started last, as soon as it is there. */
async function find(victim: Victim): Promise<number> {
  return until('the service is there', () => found(victim));
}

function found(victim: Victim): number | undefined {
  const guardian = childrenOf(process.pid).find((pid) => commandOf(pid)[0] === 'frazil-lazy');
  return victim === 'guardian' || guardian === undefined ? guardian : childrenOf(guardian)[0];
}

function killed(victim: Victim): boolean {
  const pid = found(victim);
  return pid !== undefined && kill(pid);
}

async function restoreUntilItFails(lazily: Lazily): Promise<Outcome> {
  let tree: Tree | undefined;
  try {
    tree = await lazily.restore();
    const report = await tree.filling?.done;
    return { tree, error: undefined, ...(report === undefined ? {} : { report }) };
  } catch (error) {
    return { ...(tree === undefined ? {} : { tree }), error };
  }
}

function kill(pid: number): boolean {
  try {
    return process.kill(pid, 'SIGKILL');
  } catch {
    return false;
  }
}

async function oneRound(lazily: Lazily, victim: Victim, delayMs: number): Promise<'refused' | 'killed' | 'filled'> {
  const outcome = restoreUntilItFails(lazily);
  const pid = await find(victim);
  await new Promise((resolve) => {
    setTimeout(resolve, delayMs);
  });
  const late = !kill(pid);
  const { tree, error, report } = await outcome;
  // It had ended, or was about to: then all is there, and stays.
  if (late || report !== undefined) {
    expect(report?.bytes.total).toBeGreaterThan(0);
    expect(await lazily.target.ask('check 2')).toEqual({ broken: 0 });
    await tree?.kill();
    await tree?.exited;
    return 'filled';
  }
  expect(CheckpointError.is(error)).toBe(true);
  if (tree === undefined) {
    await until('nothing is left', () => lazily.tasks().length === 0);
    return 'refused';
  }
  expect(CheckpointError.is(error, 'LAZY_FAILED') && error.detail.fault).toBe(`${victim}-died`);
  expect(await tree.exited).toMatchObject({ kind: 'signaled', signal: 9 });
  await until('nothing is left', () => lazily.tasks().length === 0);
  return 'killed';
}

describe.each<Victim>(['server', 'guardian'])('kill -9 of the %s', (victim) => {
  testWith([CRIU_42.here], `at ${ROUNDS} random instants leaves no task and no zero`, async ({ annotate }) => {
    await using lazily = await checkpointOfFaults(CRIU_42.path, MEGABYTES, ['read']);
    const counts = { refused: 0, killed: 0, filled: 0 };
    while (counts.refused + counts.killed < ROUNDS)
      counts[await oneRound(lazily, victim, Math.random() * LATEST_MS)] += 1;
    await annotate(JSON.stringify(counts));
    // Both sides of the moment when CRIU lets the tree run.
    expect(counts.killed).toBeGreaterThan(0);
    expect(existsSync(`${lazily.control}.broken`)).toBe(false);
  });

  testWith([CRIU_42.here], 'as soon as it is there, before it can have said a word, is heard of', async () => {
    await using lazily = await checkpointOfFaults(CRIU_42.path, 1);
    for (let round = 0; round < 10; round += 1) {
      const outcome = restoreUntilItFails(lazily);
      let over = false;
      void outcome.finally(() => (over = true));
      while (!over && !killed(victim)) await nextTurn();
      expect(over).toBe(false);
      expect((await outcome).error).toMatchObject({ code: expect.stringMatching(/^LAZY_FAILED$|^RESTORE_REFUSED$/) });
      await until('nothing is left', () => lazily.tasks().length === 0);
    }
  });

  testWith([CRIU_42.here], 'takes a task along whose parents have all ended', async () => {
    await using lazily = await checkpointOfFaults(CRIU_42.path, MEGABYTES);
    for (let round = 0; round < 5; round += 1) {
      const tree = await lazily.restore({ bytesPerSecond: 2 ** 20 });
      const { pid } = await lazily.target.ask<{ pid: number }>('orphan');
      expect(lazily.tasks()).toContain(pid);
      process.kill(await find(victim), 'SIGKILL');
      await expect(tree.filling?.done).rejects.toMatchObject({ code: 'LAZY_FAILED' });
      await tree.exited;
      await until('nothing is left', () => lazily.tasks().length === 0);
    }
    expect(existsSync(`${lazily.control}.broken`)).toBe(false);
  });
});
