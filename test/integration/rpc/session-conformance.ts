// What every session must do, whoever carries it and whatever answers: real CRIU of two versions, or the simulator.

import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { describe, expect } from 'vitest';
import { CheckpointError } from '../../../src/errors/checkpoint-error.js';
import type { Request } from '../../../src/rpc/session.js';
import { testWith } from '../../helpers/needs.js';
import { fdsOf, isAlive } from '../../helpers/procfs.js';
import { until } from '../../helpers/until.js';
import { describeChildren, describeDump } from './session-dump.js';
import { describeRestore } from './session-restore.js';
import { type Check, rejection, runsAgain, type Subject, settled, stage } from './session-stage.js';

export type { Subject } from './session-stage.js';

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
