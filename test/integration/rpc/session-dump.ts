// The part of the conformance suite that dumps.

import { spawn } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { expect } from 'vitest';
import { CheckpointError } from '../../../src/errors/checkpoint-error.js';
import type { Held, Notification, Verdict } from '../../../src/rpc/session.js';
import { criuBelow } from '../../helpers/points.js';
import { isAlive, taskOf, waitGone } from '../../helpers/procfs.js';
import { until } from '../../helpers/until.js';
import {
  type Check,
  PROCEED,
  REFUSE,
  recorder,
  rejection,
  runsAgain,
  STOPPED,
  type Subject,
  settled,
  stage,
} from './session-stage.js';

export function describeDump(subject: Subject, check: Check): void {
  check('DUMP asks in order and leaves the tree running when told so', async () => {
    await using set = await stage();
    const record = recorder();
    const inventory = `${set.images}/inventory.img`;
    let written = false;
    let state = '';
    const notify = (notification: Notification): Verdict => {
      if (notification.kind === 'post-dump') {
        written = existsSync(inventory);
        state = taskOf(set.target.pid)?.state ?? '';
      }
      return record.notify(notification);
    };
    const answer = await settled(subject, { kind: 'DUMP', opts: { ...set.opts, leave_running: true } }, { notify });
    expect(answer).toEqual({ kind: 'served', restored: false });
    // A tree in CRIU's own net namespace gets no network-lock and -unlock.
    expect(record.scripts()).toEqual(['pre-dump', 'query-ext-files', 'post-dump']);
    expect(written).toBe(true);
    expect(STOPPED).toContain(state);
    await runsAgain(set.target);
  });

  check('DUMP of a process that is not there is refused with ESRCH', async () => {
    await using set = await stage();
    await set.target.kill();
    await waitGone([set.target.pid]);
    const answer = await settled(subject, { kind: 'DUMP', opts: set.opts });
    expect(answer).toMatchObject({ kind: 'refused', errno: 3 });
  });

  check('a refused post-dump lets the tree run on', async () => {
    await using set = await stage();
    const { notify } = recorder({ 'post-dump': REFUSE });
    const answer = await settled(subject, { kind: 'DUMP', opts: set.opts }, { notify });
    expect(answer).toMatchObject({ kind: 'refused', refusedAt: 'post-dump' });
    await runsAgain(set.target);
  });

  // The simulator dies of its own: session-faults.test.ts.
  if (subject.real)
    check('a CRIU that is killed while a verdict is pending has hung up at once, and the tree runs on', async () => {
      await using set = await stage();
      const heard: AbortSignal[] = [];
      const notify = ({ kind }: Notification, { signal }: Held): Verdict | Promise<Verdict> => {
        if (kind !== 'post-dump') return PROCEED;
        heard.push(signal);
        process.kill(criuBelow(process.pid), 'SIGKILL');
        return new Promise(() => {});
      };
      const answer = await settled(subject, { kind: 'DUMP', opts: set.opts }, { notify });
      expect(answer).toMatchObject({ kind: 'hung-up', exit: { kind: 'signaled', signal: 9 }, terminated: false });
      expect(heard.map(({ aborted }) => aborted)).toEqual([true]);
      await runsAgain(set.target);
    });

  check('a pending verdict holds CRIU and the tree', async () => {
    await using set = await stage();
    let release = (_: Verdict): void => {};
    const held = new Promise<Verdict>((resolve) => {
      release = resolve;
    });
    let arrived = false;
    const notify = (notification: Notification): Verdict | Promise<Verdict> => {
      if (notification.kind !== 'post-dump') return PROCEED;
      arrived = true;
      return held;
    };
    const answer = settled(subject, { kind: 'DUMP', opts: set.opts }, { notify });
    await until('CRIU is held', () => arrived);
    expect(STOPPED).toContain(taskOf(set.target.pid)?.state);
    expect(isAlive(set.target.pid)).toBe(true);
    release(PROCEED);
    expect(await answer).toMatchObject({ kind: 'served' });
    await until('the tree is killed', () => !isAlive(set.target.pid));
  });

  check('an abort refuses the verdict that is pending, and the tree runs on', async () => {
    await using set = await stage();
    const abort = new AbortController();
    const notify = (notification: Notification): Verdict | Promise<Verdict> => {
      if (notification.kind !== 'post-dump') return PROCEED;
      abort.abort(new Error('enough'));
      return new Promise(() => {});
    };
    const answer = await settled(subject, { kind: 'DUMP', opts: set.opts }, { notify, signal: abort.signal });
    expect(answer).toMatchObject({ kind: 'refused', refusedAt: 'post-dump' });
    await runsAgain(set.target);
  });

  check('an abort between notifications refuses the next one', async () => {
    await using set = await stage();
    const abort = new AbortController();
    const { notify, scripts } = recorder();
    const aborting = (notification: Notification): Verdict => {
      if (notification.kind === 'pre-dump') setImmediate(() => abort.abort());
      return notify(notification);
    };
    const answer = await settled(subject, { kind: 'DUMP', opts: set.opts }, { notify: aborting, signal: abort.signal });
    expect(answer).toMatchObject({ kind: 'refused' });
    expect(scripts()).not.toContain('post-dump');
    await runsAgain(set.target);
  });

  check('what notify throws comes out after CRIU has let go', async () => {
    await using set = await stage();
    const notify = (notification: Notification): Verdict => {
      if (notification.kind === 'post-dump') throw new Error('no room');
      return PROCEED;
    };
    await expect(settled(subject, { kind: 'DUMP', opts: set.opts }, { notify })).rejects.toThrow('no room');
    await runsAgain(set.target);
  });

  check('disposing in the middle of a dump rejects it, and the tree runs on', async () => {
    await using set = await stage();
    const session = await subject.open();
    let arrived = false;
    const notify = (notification: Notification): Verdict | Promise<Verdict> => {
      arrived ||= notification.kind === 'post-dump';
      return arrived ? new Promise(() => {}) : PROCEED;
    };
    const failed = rejection(session.exchange({ kind: 'DUMP', opts: set.opts }, { notify }));
    await until('CRIU is held', () => arrived);
    await session[Symbol.asyncDispose]();
    expect(CheckpointError.is(await failed, 'ABORTED')).toBe(true);
    await runsAgain(set.target);
  });

  check('options arrive whichever way they travel', async () => {
    await using set = await stage();
    await using session = await subject.open();
    const opts = { ...set.opts, leave_running: true, display_stats: true, timeout: 7 };
    expect(await session.exchange({ kind: 'DUMP', opts })).toMatchObject({ kind: 'served' });
    expect(session.stdout()).toMatch(/displaying dump stats/i);
  });

  check('a config file that is missing, or says stream, is refused', async () => {
    await using set = await stage();
    await using session = await subject.open();
    const config = `${set.images}/criu.conf`;
    const request = { kind: 'DUMP', opts: { ...set.opts, config_file: config } } as const;
    await expect(session.exchange(request)).rejects.toThrow('cannot be read');
    writeFileSync(config, '# no\n  stream\n');
    await expect(session.exchange(request)).rejects.toThrow('says "stream"');
    writeFileSync(config, 'leave-running\n');
    expect(await session.exchange(request)).toMatchObject({ kind: 'served' });
    if (subject.real) await runsAgain(set.target);
  });
}

export function describeChildren(subject: Subject, check: Check): void {
  check("children of Node's own end under Node's eyes while CRIU works", async () => {
    await using set = await stage();
    const ends: Promise<number | null>[] = [];
    const notify = (): Verdict => {
      const child = spawn('/bin/sh', ['-c', `exit ${ends.length + 7}`], { stdio: 'ignore' });
      ends.push(new Promise((resolve) => child.once('exit', resolve)));
      return PROCEED;
    };
    const answer = await settled(subject, { kind: 'DUMP', opts: { ...set.opts, leave_running: true } }, { notify });
    expect(answer).toMatchObject({ kind: 'served' });
    expect(await Promise.all(ends)).toEqual([7, 8, 9]);
    await runsAgain(set.target);
  });
}
