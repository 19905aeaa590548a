// SIGKILL for CRIU, for the process that runs the verb, and for the target, at every point. The promise is the same as for an abort: the
// target either runs on or can be restored, and nothing is left behind that only a reboot removes.

import { join } from 'node:path';
import { describe, expect, onTestFinished } from 'vitest';
import type { Tree } from '../../src/criu/tree.js';
import { CRIU_42 } from '../helpers/criu-cli.js';
import { watchLeaks } from '../helpers/leaks.js';
import { testWith } from '../helpers/needs.js';
import { at, criuBelow, DUMP_POINTS, RESTORE_POINTS } from '../helpers/points.js';
import { isAlive, waitGone } from '../helpers/procfs.js';
import { killTree, startTarget, type Target } from '../helpers/target.js';
import { tempDir } from '../helpers/temp-dir.js';
import { until } from '../helpers/until.js';
import { startVerb } from '../helpers/verb-process.js';
import { dumpTo, looksWhole, restoreFrom } from '../helpers/verbs.js';

interface Stage extends AsyncDisposable {
  readonly target: Target;
  readonly images: string;
  /** A second, empty images directory. */
  readonly others: string;
  readonly pids: number[];
  readonly before: unknown;
}

async function stage(megabytes = 16): Promise<Stage> {
  const dir = tempDir();
  const control = join(dir.path, 'control');
  const target = await startTarget('memory', [control, String(megabytes), '3', '10'], { control });
  return {
    target,
    images: dir.folder('images'),
    others: dir.folder('others'),
    pids: target.tree(),
    before: await target.ask('digest'),
    async [Symbol.asyncDispose]() {
      await target.kill();
      await dir[Symbol.asyncDispose]();
    },
  };
}

async function expectRunning({ target, before }: Stage): Promise<void> {
  expect(target.alive()).toBe(true);
  expect(await target.ask('digest')).toEqual(before);
  expect(await target.ask('threads')).toEqual({ threads: 3, alive: 3 });
}

async function expectRestorable({ target, images, pids, before }: Stage): Promise<void> {
  await waitGone(pids);
  const tree = await restoreFrom(images, {});
  expect(await target.ask('digest')).toEqual(before);
  expect(await target.ask('threads')).toEqual({ threads: 3, alive: 3 });
  await killTree(target, tree);
}

/** After a dump that ended badly: runs on, no checkpoint, and another dump works. */
async function expectAsBefore(s: Stage): Promise<void> {
  await expectRunning(s);
  expect(looksWhole(s.images)).toBe(false);
  await dumpTo(s.others, s.target, {});
  await expectRestorable({ ...s, images: s.others });
}

/** For a restore of 16 MiB, which takes a tenth of a second. */
const RESTORE_ENDS_MS = 20_000;

const kill = (pid: number) => process.kill(pid, 'SIGKILL');

describe('CRIU is killed', () => {
  for (const point of DUMP_POINTS) {
    testWith([CRIU_42.here], `in a dump at ${point}: the target runs on or can be restored`, async () => {
      await using s = await stage();
      const leaks = watchLeaks();
      const { notify, seen } = at(point, () => kill(criuBelow(process.pid)));
      await expect(dumpTo(s.images, s.target, { notify })).rejects.toMatchObject({ code: 'CRIU_DIED' });
      expect(seen).toContain(point);
      await leaks.expectNothingLeft(s.images);
      await expectRunning(s);
      // Killed behind the commit point, CRIU has not killed the tree; but the checkpoint is whole.
      if (looksWhole(s.images)) return await s.target.kill().then(() => expectRestorable(s));
      expect(point).not.toBe('post-dump');
      await expectAsBefore(s);
    });
  }

  for (const point of RESTORE_POINTS) {
    testWith([CRIU_42.here], `in a restore at ${point}: no task is left and the images can be restored`, async () => {
      await using s = await stage();
      await dumpTo(s.images, s.target, {});
      const leaks = watchLeaks();
      const { notify } = at(point, () => kill(criuBelow(process.pid)));
      await expect(restoreFrom(s.images, { notify })).rejects.toMatchObject({ code: 'CRIU_DIED' });
      await until('no task of the tree is left', () => !s.pids.some(isAlive));
      await leaks.expectNothingLeft(s.images);
      await expectRestorable(s);
    });
  }
});

describe('the process that runs the verb is killed', () => {
  for (const point of [...DUMP_POINTS, 'pages']) {
    testWith([CRIU_42.here], `in a dump at ${point}: the target runs on or can be restored`, async () => {
      await using s = await stage(point === 'pages' ? 256 : 16);
      const { target, images } = s;
      await using verb = startVerb({ verb: 'dump', pid: target.pid, images, holdAt: point, options: {} });
      await verb.event('held');
      const criu = criuBelow(verb.pid);
      await verb.kill();
      await until('its criu is gone', () => !isAlive(criu));
      if (looksWhole(images)) return await expectRestorable(s);
      await expectAsBefore(s);
    });
  }

  for (const point of RESTORE_POINTS) {
    testWith(
      [CRIU_42.here],
      `in a restore at ${point}: the tree runs, or none of it and the images can be restored`,
      async () => {
        await using s = await stage();
        await dumpTo(s.images, s.target, {});
        await using verb = startVerb({ verb: 'restore', images: s.images, holdAt: point, options: {} });
        await verb.event('held');
        const criu = criuBelow(verb.pid);
        await verb.kill();
        await until('its criu is gone', () => !isAlive(criu));
        // At pre-resume and post-resume CRIU only takes note of a client that is gone: then the tree runs. Before, it kills what it
        // has made, and may itself be gone before the last task is.
        if (point === 'pre-resume' || point === 'post-resume') await expectRunning(s);
        else await waitGone(s.pids);
        await killTree(s.target);
        await expectRestorable(s);
      },
    );
  }

  testWith([CRIU_42.here], 'after a restore: the tree runs on without it', async () => {
    await using s = await stage();
    await dumpTo(s.images, s.target, {});
    await using verb = startVerb({ verb: 'restore', images: s.images, options: {} });
    await verb.event('done');
    await verb.kill();
    await expectRunning(s);
  });
});

describe('the target is killed', () => {
  for (const point of DUMP_POINTS) {
    testWith([CRIU_42.here], `in a dump at ${point}: refused, or a checkpoint that can be restored`, async () => {
      await using s = await stage();
      const leaks = watchLeaks();
      const { notify, seen } = at(point, () => kill(s.target.pid));
      const outcome = await dumpTo(s.images, s.target, { notify }).catch((reason: { code: string }) => reason.code);
      expect(seen).toContain(point);
      expect(s.target.alive()).toBe(false);
      await leaks.expectNothingLeft(s.images);
      if (typeof outcome === 'string') {
        expect(outcome).toBe('NO_SUCH_PROCESS');
        expect(looksWhole(s.images)).toBe(false);
      } else {
        await expectRestorable(s);
      }
    });
  }

  testWith([CRIU_42.here], 'in the middle of its pages: refused, or a checkpoint that can be restored', async () => {
    await using s = await stage(256);
    await using verb = startVerb({ verb: 'dump', pid: s.target.pid, images: s.images, holdAt: 'pages', options: {} });
    await verb.event('held');
    kill(s.target.pid);
    const ended = await verb.event('done').catch(async () => verb.event('failed'));
    expect(looksWhole(s.images)).toBe(ended.event === 'done');
    if (ended.event === 'done') await expectRestorable(s);
  });

  for (const point of ['post-restore', 'pre-resume', 'post-resume']) {
    testWith([CRIU_42.here], `in a restore at ${point}: it has ended, and the images can be restored`, async () => {
      await using s = await stage();
      await dumpTo(s.images, s.target, {});
      const leaks = watchLeaks();
      const { notify } = at(point, () => kill(s.target.pid));
      await endOf(restoreFrom(s.images, { notify }));
      await until('it is gone', () => !s.target.alive());
      await leaks.expectNothingLeft(s.images);
      await expectRestorable(s);
    });
  }
});

/** Waits until a restore has ended, one way or the other, and so has its tree. A CRIU that hangs is killed when the test has failed. */
async function endOf(restoring: Promise<Tree>): Promise<void> {
  let ended = false;
  const end = restoring.then((tree) => tree.exited).catch(() => {});
  void end.then(() => {
    ended = true;
  });
  onTestFinished(() => {
    if (!ended) kill(criuBelow(process.pid));
  });
  await until('the restore has ended', () => ended, RESTORE_ENDS_MS);
}
