// AbortSignal at every point of dump and restore. The promise: a dump that rejects leaves the tree running and no directory that looks
// whole; one that resolves leaves a checkpoint, and of the tree what was asked for. There is nothing in between.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, onTestFinished } from 'vitest';
import { type DumpCall, dump } from '../../src/criu/dump.js';
import { imagesDirectory } from '../../src/criu/target.js';
import { CRIU_42, CRIUS } from '../helpers/criu-cli.js';
import { watchLeaks } from '../helpers/leaks.js';
import { testWith } from '../helpers/needs.js';
import { at, DUMP_POINTS, RESTORE_POINTS } from '../helpers/points.js';
import { isAlive, waitGone } from '../helpers/procfs.js';
import { killTree, startTarget, type Target } from '../helpers/target.js';
import { type TempDir, tempDir } from '../helpers/temp-dir.js';
import { dumpTo, looksWhole, restoreFrom } from '../helpers/verbs.js';

const REASON = new Error('the caller has changed its mind');

interface Stage extends AsyncDisposable {
  readonly target: Target;
  readonly images: string;
  readonly before: unknown;
}

async function stage(megabytes = 16): Promise<Stage> {
  const dir: TempDir = tempDir();
  const control = join(dir.path, 'control');
  const target = await startTarget('memory', [control, String(megabytes), '3', '10'], { control });
  return {
    target,
    images: dir.folder('images'),
    before: await target.ask('digest'),
    async [Symbol.asyncDispose]() {
      await target.kill();
      await dir[Symbol.asyncDispose]();
    },
  };
}

/** The tree runs as before, and nobody can take the directory for a checkpoint. */
async function expectUntouched({ target, images, before }: Stage): Promise<void> {
  expect(looksWhole(images)).toBe(false);
  expect(target.alive()).toBe(true);
  expect(await target.ask('digest')).toEqual(before);
  expect(await target.ask('threads')).toEqual({ threads: 3, alive: 3 });
}

/** What was dumped can be restored, also after all that went before. */
async function expectDumpable({ target, images, before }: Stage): Promise<void> {
  await dumpTo(images, target, {});
  const tree = await restoreFrom(images, {});
  expect(await target.ask('digest')).toEqual(before);
  await killTree(target, tree);
}

describe.each(CRIUS)('with criu $name', (criu) => {
  describe.each([false, true])('dump, leaveRunning %s', (leaveRunning) => {
    testWith([criu.here], 'aborted before it begins does nothing', async () => {
      await using s = await stage();
      const signal = AbortSignal.abort(REASON);
      const { done } = dump(s.target.pid, { to: imagesDirectory(s.images), criu: criu.path, leaveRunning, signal });
      await expect(done).rejects.toMatchObject({ code: 'ABORTED', cause: REASON });
      expect(readdirSync(s.images)).toEqual([]);
      await expectUntouched(s);
    });

    for (const point of DUMP_POINTS) {
      testWith([criu.here], `aborted at ${point} lets the tree run on`, async () => {
        await using s = await stage();
        const leaks = watchLeaks();
        const abort = new AbortController();
        const { notify, seen } = at(point, () => abort.abort(REASON));
        const call: DumpCall = {
          to: imagesDirectory(s.images),
          criu: criu.path,
          leaveRunning,
          notify,
          signal: abort.signal,
        };
        await expect(dump(s.target.pid, call).done).rejects.toMatchObject({ code: 'ABORTED', cause: REASON });
        expect(seen.at(-1)).toBe(point);
        await expectUntouched(s);
        await leaks.expectNothingLeft(s.images);
        await expectDumpable(s);
      });
    }
  });
});

describe.each(['always', 'never'] as const)('dump, absorb %s', (absorb) => {
  testWith([CRIU_42.here], 'aborted in the middle of the pages lets the tree run on', async () => {
    await using s = await stage(256);
    const leaks = watchLeaks();
    const abort = new AbortController();
    const work = dump(s.target.pid, { to: imagesDirectory(s.images), absorb, signal: abort.signal });
    let inTheMiddle = false;
    const watch = async () => {
      for await (const { bytes, totalBytes } of work) {
        if (bytes === 0) continue;
        inTheMiddle = bytes < totalBytes;
        abort.abort(REASON);
      }
    };
    // Where the machine is so fast that the first progress is the last, the outcome is the other one.
    const outcome = await watch().then(
      () => 'done',
      () => 'aborted',
    );
    if (inTheMiddle) expect(outcome).toBe('aborted');
    if (outcome === 'aborted') await expectUntouched(s);
    else expect(looksWhole(s.images)).toBe(true);
    await leaks.expectNothingLeft(s.images);
  });
});

describe('dump, aborted while the images are committed', () => {
  // Turns of the event loop after the caller has let CRIU go on at post-dump.
  for (const turns of [0, 1, 2, 3, 5, 8, 13]) {
    testWith([CRIU_42.here], `${turns} turns later: either the tree runs on or it can be restored`, async () => {
      await using s = await stage(1);
      const abort = new AbortController();
      const later = async () => {
        for (let i = 0; i < turns; i++) await turn();
        abort.abort(REASON);
      };
      const { notify } = at('post-dump', () => void later());
      const pids = s.target.tree();
      const { done } = dump(s.target.pid, { to: imagesDirectory(s.images), notify, signal: abort.signal });
      const outcome = await done.then(
        () => 'done' as const,
        () => 'aborted' as const,
      );
      if (outcome === 'aborted') return await expectUntouched(s);
      await waitGone(pids);
      const tree = await restoreFrom(s.images, {});
      expect(await s.target.ask('digest')).toEqual(s.before);
      await killTree(s.target, tree);
    });
  }
});

testWith([CRIU_42.here], 'an abort after the dump changes nothing', async () => {
  await using s = await stage(1);
  const abort = new AbortController();
  await dumpTo(s.images, s.target, { signal: abort.signal });
  abort.abort(REASON);
  const tree = await restoreFrom(s.images, {});
  expect(await s.target.ask('digest')).toEqual(s.before);
  await killTree(s.target, tree);
});

testWith([CRIU_42.here], 'leaving the block of an operation ends it', async () => {
  await using s = await stage(64);
  {
    await using work = dump(s.target.pid, { to: imagesDirectory(s.images) });
    for await (const { phase } of work) if (phase === 'freezing') break;
  }
  await expectUntouched(s);
});

describe.each(CRIUS)('restore with criu $name', (criu) => {
  for (const point of RESTORE_POINTS) {
    testWith([criu.here], `aborted at ${point} leaves no task, and the images restorable`, async () => {
      await using s = await stage();
      const pids = s.target.tree();
      await dumpTo(s.images, s.target, {});
      const leaks = watchLeaks();
      const abort = new AbortController();
      const { notify, seen } = at(point, () => abort.abort(REASON));
      const done = restoreFrom(s.images, { criu: criu.path, notify, signal: abort.signal });
      await expect(done).rejects.toMatchObject({ code: 'ABORTED', cause: REASON });
      expect(seen).toContain(point);
      expect(pids.filter(isAlive)).toEqual([]);
      await waitGone(pids);
      await leaks.expectNothingLeft(s.images);
      const tree = await restoreFrom(s.images, { criu: criu.path });
      expect(await s.target.ask('digest')).toEqual(s.before);
      await killTree(s.target, tree);
    });
  }

  testWith([criu.here], 'aborted before it begins creates nothing', async () => {
    await using s = await stage(1);
    const pids = s.target.tree();
    await dumpTo(s.images, s.target, {});
    const done = restoreFrom(s.images, { criu: criu.path, signal: AbortSignal.abort(REASON) });
    await expect(done).rejects.toMatchObject({ code: 'ABORTED', cause: REASON });
    expect(pids.filter(isAlive)).toEqual([]);
    onTestFinished(() => expect(pids.filter(isAlive)).toEqual([]));
  });
});
