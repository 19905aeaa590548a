// What every session must do, whoever carries it and whatever answers: real CRIU of two versions, or the simulator.

import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { describe, expect } from 'vitest';
import { pidfdOpen, waitChild } from '../../../src/addon/children.js';
import { CheckpointError } from '../../../src/errors/checkpoint-error.js';
import type { ExchangeOptions, Notification, Request, Session, Verdict } from '../../../src/rpc/session.js';
import type { CriuOpts } from '../../../src/schema/rpc.js';
import { type Need, testWith } from '../../helpers/needs.js';
import { fdsOf, isAlive, taskOf, waitGone } from '../../helpers/procfs.js';
import { startProgram, type Target } from '../../helpers/target.js';
import { tempDir } from '../../helpers/temp-dir.js';
import { until } from '../../helpers/until.js';

export interface Subject {
  readonly title: string;
  readonly kind: Session['kind'];
  readonly needs: readonly Need[];
  open(): Promise<Session>;
  /** CRIU proper: it restores the very process. */
  readonly real: boolean;
  /** CHECK over libcriu crashes CRIU 4.1. */
  readonly checks: boolean;
}

const PROCEED: Verdict = { kind: 'proceed' };
const REFUSE: Verdict = { kind: 'refuse' };
const STOPPED = ['t', 'T'];

interface Stage extends AsyncDisposable {
  readonly target: Target;
  readonly images: string;
  readonly opts: CriuOpts;
}

/** A process to dump and a directory to dump it into. */
async function stage(): Promise<Stage> {
  const dir = tempDir();
  const { target } = await startProgram(['sleep', '1000'], () => true);
  await until('the target runs its program', () => taskOf(target.pid)?.name === 'sleep');
  const fd = openSync(dir.path, 'r');
  const opts = {
    images_dir_fd: fd,
    notify_scripts: true,
    log_level: 4,
    log_file: 'dump.log',
    network_lock: 'NFTABLES',
  } as const;
  return {
    target,
    images: dir.path,
    opts: { ...opts, pid: target.pid },
    async [Symbol.asyncDispose]() {
      await target.kill();
      closeSync(fd);
      await dir[Symbol.asyncDispose]();
    },
  };
}

/** Records what CRIU asks, and answers `verdicts[script]` or proceeds. */
function recorder(verdicts: Readonly<Record<string, Verdict>> = {}) {
  const asked: Notification[] = [];
  const notify = (notification: Notification): Verdict => {
    asked.push(notification);
    if (notification.kind === 'orphan-pts-master') notification.fd.close();
    return verdicts[notification.kind] ?? PROCEED;
  };
  return { asked, notify, scripts: () => asked.map(({ kind }) => kind) };
}

async function settled<R extends Request>(subject: Subject, request: R, options?: ExchangeOptions) {
  await using session = await subject.open();
  return await session.exchange(request, options);
}

async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return await promise.then(
    (value) => expect.unreachable(`resolved with ${JSON.stringify(value)}`),
    (error: unknown) => error,
  );
}

/** What the target is, once CRIU has let go of it. */
async function runsAgain(target: Target): Promise<void> {
  await until('the target runs on', () => taskOf(target.pid)?.state === 'S');
}

async function dumpAndKill(subject: Subject, { opts, target }: Stage): Promise<void> {
  const answer = await settled(subject, { kind: 'DUMP', opts });
  expect(answer).toEqual({ kind: 'served', restored: false });
  await waitGone([target.pid]);
}

export function describeSession(subject: Subject): void {
  describe(`${subject.title}:`, () => {
    // Loading the addon and libcriu opens nothing that stays, but warming up the event loop may.
    const check = (title: string, body: () => Promise<void>): void => {
      testWith(subject.needs, title, async () => {
        const before = Object.keys(fdsOf('self')).length;
        await body();
        await until('every fd is closed again', () => Object.keys(fdsOf('self')).length <= before);
      });
    };
    describeRequests(subject, check);
    describeDump(subject, check);
    describeRestore(subject, check);
    describeChildren(subject, check);
    describeRefusals(subject, check);
    if (subject.kind === 'swrk') describeKeepOpen(subject, check);
  });
}

type Check = (title: string, body: () => Promise<void>) => void;

function describeRequests(subject: Subject, check: Check): void {
  check('VERSION tells the version', async () => {
    const answer = await settled(subject, { kind: 'VERSION' });
    expect(answer).toMatchObject({ kind: 'served', version: { major: 4 } });
  });

  check('FEATURE_CHECK tells only what was asked for', async () => {
    const all = await settled(subject, { kind: 'FEATURE_CHECK', features: ['mem_track', 'lazy_pages', 'pidfd_store'] });
    expect(all).toMatchObject({ kind: 'served', features: { lazy_pages: true, pidfd_store: true } });
    const none = await settled(subject, { kind: 'FEATURE_CHECK', features: [] });
    expect(none).toEqual({ kind: 'served', features: { mem_track: false, lazy_pages: false, pidfd_store: false } });
  });

  check('CHECK is served and its words are kept, or refused by name where it would crash CRIU', async () => {
    await using set = await stage();
    await using session = await subject.open();
    const asked = session.exchange({
      kind: 'CHECK',
      opts: { images_dir_fd: set.opts.images_dir_fd, log_file: 'check.log' },
    });
    if (subject.checks) {
      expect(await asked).toEqual({ kind: 'served' });
      expect(session.stdout()).toContain('Looks good.');
    } else expect(CheckpointError.is(await rejection(asked), 'FEATURE_MISSING')).toBe(true);
  });

  check('a request that cannot be encoded is refused before anything is sent', async () => {
    await using session = await subject.open();
    const opts = { images_dir_fd: 2 ** 40, pid: 1 };
    if (subject.kind === 'swrk') await expect(session.exchange({ kind: 'DUMP', opts })).rejects.toThrow(RangeError);
  });

  check('a signal that is aborted already sends nothing', async () => {
    await using session = await subject.open();
    const error = await rejection(
      session.exchange({ kind: 'VERSION' }, { signal: AbortSignal.abort(new Error('why')) }),
    );
    expect(CheckpointError.is(error, 'ABORTED')).toBe(true);
    expect(error).toMatchObject({ cause: { message: 'why' } });
    expect(await session.exchange({ kind: 'VERSION' })).toMatchObject({ kind: 'served' });
  });

  check('a second request at the same time is misuse', async () => {
    await using session = await subject.open();
    const first = session.exchange({ kind: 'VERSION' });
    await expect(session.exchange({ kind: 'VERSION' })).rejects.toThrow('takes one request at a time');
    expect(await first).toMatchObject({ kind: 'served' });
  });

  check('disposing twice is the same as once, and nothing follows', async () => {
    const session = await subject.open();
    await session[Symbol.asyncDispose]();
    await session[Symbol.asyncDispose]();
    await expect(session.exchange({ kind: 'VERSION' })).rejects.toThrow(RangeError);
  });
}

function describeDump(subject: Subject, check: Check): void {
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

function describeRestore(subject: Subject, check: Check): void {
  check('RESTORE brings the tree back and tells its root at post-restore', async () => {
    await using set = await stage();
    await dumpAndKill(subject, set);
    const { notify, asked, scripts } = recorder();
    const { images_dir_fd } = set.opts;
    const answer = await settled(
      subject,
      { kind: 'RESTORE', opts: { images_dir_fd, notify_scripts: true, log_file: 'restore.log', log_level: 4 } },
      { notify },
    );
    expect(answer).toMatchObject({ kind: 'served' });
    const pid = answer.kind === 'served' ? answer.pid : 0;
    if (subject.real) expect(pid).toBe(set.target.pid);
    expect(asked).toContainEqual({ kind: 'post-restore', pid });
    expect(scripts()[0]).toBe('pre-restore');
    expect(scripts().slice(-2)).toEqual(['pre-resume', 'post-resume']);
    await until('the restored task runs', () => taskOf(pid)?.state === 'S');
  });

  check('a refused post-restore leaves nothing behind', async () => {
    await using set = await stage();
    await dumpAndKill(subject, set);
    let root = 0;
    const notify = (notification: Notification): Verdict => {
      if (notification.kind !== 'post-restore') return PROCEED;
      root = notification.pid;
      return REFUSE;
    };
    const { images_dir_fd } = set.opts;
    const answer = await settled(
      subject,
      { kind: 'RESTORE', opts: { images_dir_fd, notify_scripts: true, log_file: 'restore.log' } },
      { notify },
    );
    expect(answer).toMatchObject({ kind: 'refused', refusedAt: 'post-restore' });
    expect(root).toBeGreaterThan(0);
    await until('nothing is left', () => !isAlive(root));
  });

  check('a refusal at pre-resume comes too late', async () => {
    await using set = await stage();
    await dumpAndKill(subject, set);
    const { notify } = recorder({ 'pre-resume': REFUSE });
    const { images_dir_fd } = set.opts;
    const answer = await settled(
      subject,
      { kind: 'RESTORE', opts: { images_dir_fd, notify_scripts: true, log_file: 'restore.log' } },
      { notify },
    );
    expect(answer).toMatchObject({ kind: 'served' });
  });

  if (subject.real)
    check('rst_sibling makes the root our child, whose end we learn', async () => {
      await using set = await stage();
      await dumpAndKill(subject, set);
      const { images_dir_fd } = set.opts;
      const opts = { images_dir_fd, notify_scripts: true, rst_sibling: true, log_file: 'restore.log', log_level: 4 };
      const answer = await settled(subject, { kind: 'RESTORE', opts });
      expect(answer, readFileSync(`${set.images}/restore.log`, 'utf8').slice(-2000)).toEqual({
        kind: 'served',
        pid: set.target.pid,
      });
      expect(taskOf(set.target.pid)?.parent).toBe(process.pid);
      using pidfd = pidfdOpen(set.target.pid);
      process.kill(set.target.pid, 'SIGTERM');
      expect(await waitChild(pidfd).done).toMatchObject({ kind: 'signaled', signal: 15 });
    });
}

function describeChildren(subject: Subject, check: Check): void {
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

function describeRefusals(subject: Subject, check: Check): void {
  const opts = { images_dir_fd: 0, pid: 1 };
  const crashing: readonly (readonly [string, unknown, RegExp])[] = [
    ['DUMP without opts', { kind: 'DUMP' }, /without opts CRIU crashes/],
    ['RESTORE without opts', { kind: 'RESTORE' }, /without opts CRIU crashes/],
    ['CHECK without opts', { kind: 'CHECK' }, /without opts CRIU crashes/],
    ['FEATURE_CHECK without features', { kind: 'FEATURE_CHECK' }, /without features CRIU crashes/],
    ['DUMP without pid', { kind: 'DUMP', opts: { images_dir_fd: 0 } }, /dumps the process that asks/],
    ['DUMP of ourselves', { kind: 'DUMP', opts: { ...opts, pid: process.pid } }, /this very process/],
    ['DUMP with keepOpen', { kind: 'DUMP', opts, keepOpen: true }, /hangs up on keepOpen/],
    ['lazy pre-dump', { kind: 'SINGLE_PRE_DUMP', opts: { ...opts, lazy_pages: true } }, /lazy_pages is for a dump/],
    ['mntns_compat_mode on dump', { kind: 'DUMP', opts: { ...opts, mntns_compat_mode: true } }, /is for a restore/],
    ['a log file in a directory', { kind: 'DUMP', opts: { ...opts, log_file: 'a/b' } }, /no directory in log_file/],
  ];
  check('refuses what would crash CRIU, and goes on', async () => {
    await using session = await subject.open();
    for (const [title, request, message] of crashing) {
      const error = await rejection(session.exchange(request as Request));
      expect(error, title).toBeInstanceOf(RangeError);
      expect(String(error), title).toMatch(message);
    }
    expect(await session.exchange({ kind: 'VERSION' })).toMatchObject({ kind: 'served' });
  });

  check('a pre-dump that would abort CRIU is not sent where the kernel does not track memory', async () => {
    await using set = await stage();
    await using session = await subject.open();
    const features = await settled(subject, { kind: 'FEATURE_CHECK', features: ['mem_track'] });
    if (features.kind === 'served' && features.features.mem_track) return;
    const error = await rejection(session.exchange({ kind: 'SINGLE_PRE_DUMP', opts: set.opts }));
    expect(error).toMatchObject({ code: 'FEATURE_MISSING', detail: { feature: 'mem_track' } });
    const tracking = await rejection(session.exchange({ kind: 'DUMP', opts: { ...set.opts, track_mem: true } }));
    expect(CheckpointError.is(tracking, 'FEATURE_MISSING')).toBe(true);
    await runsAgain(set.target);
  });

  if (subject.kind === 'libcriu')
    check('what libcriu has no call for is refused by name', async () => {
      await using session = await subject.open();
      for (const kind of ['CPUINFO_DUMP', 'PAGE_SERVER', 'PRE_DUMP'] as const) {
        const error = await rejection(session.exchange({ kind, opts }));
        expect(CheckpointError.is(error, 'FEATURE_MISSING'), kind).toBe(true);
      }
      await expect(session.exchange({ kind: 'RESTORE', opts: { images_dir_fd: 0, status_fd: 1 } })).rejects.toThrow(
        'Cannot send status_fd',
      );
    });
}

function describeKeepOpen(subject: Subject, check: Check): void {
  check('keepOpen lets requests follow each other until one without it', async () => {
    await using session = await subject.open();
    expect(await session.exchange({ kind: 'VERSION', keepOpen: true })).toMatchObject({ kind: 'served' });
    expect(await session.exchange({ kind: 'FEATURE_CHECK', features: [], keepOpen: true })).toMatchObject({
      kind: 'served',
    });
    expect(await session.exchange({ kind: 'VERSION' })).toMatchObject({ kind: 'served' });
    await expect(session.exchange({ kind: 'VERSION' })).rejects.toThrow('the session is spent');
  });

  check('CPUINFO_DUMP writes what CPUINFO_CHECK accepts', async () => {
    await using set = await stage();
    await using session = await subject.open();
    const opts = { images_dir_fd: set.opts.images_dir_fd, log_file: 'cpuinfo.log', cpu_cap: 7 };
    expect(await session.exchange({ kind: 'CPUINFO_DUMP', opts, keepOpen: true })).toEqual({ kind: 'served' });
    expect(existsSync(`${set.images}/cpuinfo.img`)).toBe(true);
    expect(await session.exchange({ kind: 'CPUINFO_CHECK', opts })).toEqual({ kind: 'served' });
  });

  check('PAGE_SERVER_CHLD gives a child that WAIT_PID waits for', async () => {
    await using set = await stage();
    await using session = await subject.open();
    const port = await freePort();
    const opts = { images_dir_fd: set.opts.images_dir_fd, ps: { address: '127.0.0.1', port }, log_file: 'ps.log' };
    const answer = await session.exchange({ kind: 'PAGE_SERVER_CHLD', opts });
    expect(answer).toMatchObject({ kind: 'served' });
    const pid = answer.kind === 'served' ? answer.pid : 0;
    expect(isAlive(pid)).toBe(true);
    process.kill(pid, 'SIGKILL');
    const ended = await session.exchange({ kind: 'WAIT_PID', pid });
    expect(ended).toEqual({ kind: 'served', exit: { kind: 'signaled', signal: 9, coreDumped: false } });
  });

  check('WAIT_PID of a stranger is refused', async () => {
    expect(await settled(subject, { kind: 'WAIT_PID', pid: process.pid })).toMatchObject({ kind: 'refused' });
  });
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}
