// CRIU that misbehaves: the simulator breaks at each point, and the session must say so, free everything and let the tree run.

import { closeSync, openSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { CheckpointError } from '../../../src/errors/checkpoint-error.js';
import { expectServed } from '../../../src/rpc/failure.js';
import type { Held, Notification, Session, Verdict } from '../../../src/rpc/session.js';
import { openSwrk } from '../../../src/rpc/swrk.js';
import type { CriuOpts } from '../../../src/schema/rpc.js';
import { fdsOf, taskOf } from '../../helpers/procfs.js';
import { startProgram } from '../../helpers/target.js';
import { tempDir } from '../../helpers/temp-dir.js';
import { until } from '../../helpers/until.js';

const simulator = fileURLToPath(new URL('../../helpers/criu-simulator.mjs', import.meta.url));

function open(simulated: object): Session {
  return openSwrk({ criu: simulator, env: { ...process.env, FRAZIL_SIMULATE: JSON.stringify(simulated) } });
}

function faulty(at: string, what: string): Session {
  return open({ fault: { at, what } });
}

async function withTarget(body: (opts: CriuOpts, pid: number) => Promise<void>): Promise<void> {
  await using dir = tempDir();
  const { target } = await startProgram(['sleep', '1000'], () => true);
  await until('the target runs its program', () => taskOf(target.pid)?.name === 'sleep');
  const fd = openSync(dir.path, 'r');
  try {
    await body({ images_dir_fd: fd, pid: target.pid, notify_scripts: true }, target.pid);
  } finally {
    closeSync(fd);
    await target.kill();
  }
}

async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    (value) => expect.unreachable(`resolved with ${JSON.stringify(value)}`),
    (error: unknown) => error,
  );
}

function leaksNothing(title: string, body: () => Promise<void>): void {
  test(title, async () => {
    const before = Object.keys(fdsOf('self')).length;
    await body();
    await until('every fd is closed again', () => Object.keys(fdsOf('self')).length <= before);
  });
}

describe('a CRIU that dies', () => {
  for (const [what, exit] of [
    ['exit', { kind: 'exited', code: 3 }],
    ['segv', { kind: 'signaled', signal: 11 }],
    ['abort', { kind: 'signaled', signal: 6 }],
  ] as const) {
    for (const at of ['request', 'answer'])
      leaksNothing(`at the ${at} by ${what} hangs up, with its exit and its last words`, async () => {
        await using session = faulty(at, what);
        const answer = await session.exchange({ kind: 'VERSION' });
        expect(answer).toMatchObject({ kind: 'hung-up', exit, terminated: false, stderr: `simulated ${what}\n` });
        try {
          expectServed(answer, { request: 'VERSION' });
          expect.unreachable();
        } catch (error) {
          expect(CheckpointError.is(error, 'CRIU_DIED')).toBe(true);
          expect(String(error)).toContain(`without an answer. It said "simulated ${what}"`);
        }
      });
  }

  leaksNothing('while a verdict is pending ends the exchange, and the handler hears of it', async () => {
    await withTarget(async (opts) => {
      await using session = faulty('notify:pre-dump', 'segv');
      let told: unknown;
      const notify = (_: Notification, { signal }: Held): Promise<Verdict> => {
        signal.addEventListener('abort', () => {
          told = signal.reason;
        });
        return new Promise(() => {});
      };
      const answer = await session.exchange({ kind: 'DUMP', opts }, { notify });
      expect(answer).toMatchObject({ kind: 'hung-up', exit: { kind: 'signaled', signal: 11 } });
      expect(String(told)).toBe('Error: CRIU has ended');
    });
  });

  leaksNothing('after a verdict was given does not abort what the handler was told to heed', async () => {
    await withTarget(async (opts) => {
      await using session = open({});
      const held: AbortSignal[] = [];
      const notify = (_: Notification, { signal }: Held): Verdict => {
        held.push(signal);
        return { kind: 'proceed' };
      };
      expect(await session.exchange({ kind: 'DUMP', opts }, { notify })).toMatchObject({ kind: 'served' });
      await session[Symbol.asyncDispose]();
      expect(held.map(({ aborted }) => aborted)).toEqual(held.map(() => false));
      expect(held).not.toEqual([]);
    });
  });

  leaksNothing('while somebody else holds its socket is still found out', async () => {
    await using session = faulty('request', 'orphans');
    expect(await session.exchange({ kind: 'VERSION' })).toMatchObject({
      kind: 'hung-up',
      exit: { kind: 'exited', code: 1 },
    });
  });

  leaksNothing('before it reads the request is no EPIPE', async () => {
    await using session = openSwrk({ criu: '/bin/false' });
    expect(await session.exchange({ kind: 'VERSION' })).toMatchObject({
      kind: 'hung-up',
      exit: { kind: 'exited', code: 1 },
    });
  });
});

describe('a CRIU that talks nonsense', () => {
  for (const [what, expected] of [
    ['garbage', /Cannot read the message from CRIU/],
    ['wrong-type', /CRIU sent a response of type 99/],
  ] as const)
    leaksNothing(`rejects with PROTOCOL: ${what}`, async () => {
      await using session = faulty('answer', what);
      const error = await rejection(session.exchange({ kind: 'VERSION' }));
      expect(CheckpointError.is(error, 'PROTOCOL')).toBe(true);
      expect(String(error)).toMatch(expected);
      await expect(session.exchange({ kind: 'VERSION' })).rejects.toThrow('spent');
    });

  leaksNothing('in the middle of a dump lets the tree run on', async () => {
    await withTarget(async (opts, pid) => {
      await using session = faulty('notify:query-ext-files', 'garbage');
      const error = await rejection(session.exchange({ kind: 'DUMP', opts }));
      expect(CheckpointError.is(error, 'PROTOCOL')).toBe(true);
      await until('the target runs on', () => taskOf(pid)?.state === 'S');
    });
  });

  leaksNothing('an answer of 150 KB is read whole', async () => {
    await using session = faulty('answer', 'long');
    const answer = await session.exchange({ kind: 'VERSION' });
    expect(answer).toMatchObject({ kind: 'refused' });
    expect(answer.kind === 'refused' && answer.message?.length).toBe(150_000);
  });

  leaksNothing('an fd that nobody asked for is closed', async () => {
    await using session = faulty('answer', 'fd');
    expect(await session.exchange({ kind: 'VERSION' })).toMatchObject({ kind: 'served' });
  });

  leaksNothing('an empty packet counts as a hang-up', async () => {
    await using session = faulty('answer', 'empty');
    expect(await session.exchange({ kind: 'VERSION' })).toMatchObject({ kind: 'hung-up' });
  });
});

describe('a CRIU that says nothing', () => {
  leaksNothing('is terminated on abort where no task is at stake', async () => {
    await using session = faulty('request', 'silence');
    const abort = new AbortController();
    const asked = session.exchange({ kind: 'VERSION' }, { signal: abort.signal });
    await until('it is silent', () => session.stderr().includes('silence'));
    abort.abort(new Error('enough'));
    const answer = await asked;
    expect(answer).toMatchObject({ kind: 'hung-up', terminated: true, exit: { kind: 'signaled', signal: 9 } });
    expect(() => expectServed(answer, { request: 'VERSION', signal: abort.signal })).toThrow('the caller aborted it');
  });

  leaksNothing('in a dump is waited for, until the grace of the caller is over', async () => {
    await withTarget(async (opts, pid) => {
      await using session = faulty('answer', 'silence');
      const abort = new AbortController();
      const asked = session.exchange(
        { kind: 'DUMP', opts: { ...opts, leave_running: true } },
        { signal: abort.signal, graceMs: 50 },
      );
      await until('it is silent', () => session.stderr().includes('silence'));
      abort.abort();
      expect(await asked).toMatchObject({ kind: 'hung-up', terminated: true });
      await until('the target runs on', () => taskOf(pid)?.state === 'S');
    });
  });

  leaksNothing('does not keep dispose waiting where no task is at stake', async () => {
    const session = faulty('request', 'silence');
    const asked = rejection(session.exchange({ kind: 'VERSION' }));
    await until('it is silent', () => session.stderr().includes('silence'));
    await session[Symbol.asyncDispose]();
    expect(CheckpointError.is(await asked, 'ABORTED')).toBe(true);
  });
});

describe('notifications', () => {
  leaksNothing('an unknown script is passed on, and acknowledged without a verdict', async () => {
    await withTarget(async (opts, pid) => {
      const seen: Notification[] = [];
      await using session = open({ script: 'pre-teleport' });
      const notify = (notification: Notification): Verdict => {
        seen.push(notification);
        return { kind: 'proceed' };
      };
      const dump = { kind: 'DUMP', opts: { ...opts, leave_running: true } } as const;
      expect(await session.exchange(dump, { notify })).toMatchObject({ kind: 'served' });
      expect(seen).toContainEqual({ kind: 'unknown', script: 'pre-teleport' });
      await using silent = open({ script: 'pre-teleport' });
      expect(await silent.exchange(dump)).toMatchObject({ kind: 'served' });
      await until('the target runs on', () => taskOf(pid)?.state === 'S');
    });
  });

  leaksNothing('orphan-pts-master hands over the terminal', async () => {
    await withTarget(async (opts) => {
      await using session = open({ script: 'orphan-pts-master' });
      let terminal = '';
      const notify = (notification: Notification): Verdict => {
        if (notification.kind === 'orphan-pts-master') {
          terminal = fdsOf('self')[notification.fd.number] ?? '';
          notification.fd.close();
        }
        return { kind: 'proceed' };
      };
      expect(await session.exchange({ kind: 'DUMP', opts }, { notify })).toMatchObject({ kind: 'served' });
      expect(terminal).toBe('/dev/ptmx');
    });
  });

  leaksNothing('a terminal that nobody takes is closed', async () => {
    await withTarget(async (opts) => {
      await using session = open({ script: 'orphan-pts-master' });
      expect(await session.exchange({ kind: 'DUMP', opts })).toMatchObject({ kind: 'served' });
    });
  });

  leaksNothing('query-ext-files takes resources along', async () => {
    await withTarget(async (opts) => {
      await using session = open({});
      const notify = ({ kind }: Notification): Verdict =>
        kind === 'query-ext-files' ? { kind: 'proceed', external: ['file[1:2]'] } : { kind: 'proceed' };
      expect(await session.exchange({ kind: 'DUMP', opts }, { notify })).toMatchObject({ kind: 'served' });
    });
  });
});

describe('pre-dumps', () => {
  leaksNothing('follow each other on one session, and a dump ends it', async () => {
    await withTarget(async (opts, pid) => {
      await using session = open({ memTrack: true });
      expect(await session.exchange({ kind: 'PRE_DUMP', opts })).toEqual({ kind: 'served' });
      expect(await session.exchange({ kind: 'PRE_DUMP', opts })).toEqual({ kind: 'served' });
      await expect(session.exchange({ kind: 'VERSION' })).rejects.toThrow('only PRE_DUMP and one DUMP may follow');
      const dump = { kind: 'DUMP', opts: { ...opts, leave_running: true, track_mem: true } } as const;
      expect(await session.exchange(dump)).toMatchObject({ kind: 'served' });
      await expect(session.exchange({ kind: 'PRE_DUMP', opts })).rejects.toThrow('the session is spent');
      await until('the target runs on', () => taskOf(pid)?.state === 'S');
    });
  });
});

describe('openSwrk()', () => {
  test('throws CRIU_MISSING for a program that is not there, and closes what it had opened', async () => {
    const before = Object.keys(fdsOf('self')).length;
    try {
      openSwrk({ criu: '/nonexistent/criu' });
      expect.unreachable();
    } catch (error) {
      expect(CheckpointError.is(error, 'CRIU_MISSING')).toBe(true);
      expect(String(error)).toContain('"/nonexistent/criu" cannot be executed (ENOENT)');
    }
    expect(Object.keys(fdsOf('self')).length).toBe(before);
  });

  test('refuses two fds on one number', () => {
    const inherit = [
      { fd: 0, as: 5 },
      { fd: 1, as: 5 },
    ];
    expect(() => openSwrk({ criu: simulator, inherit })).toThrow(RangeError);
    expect(() => openSwrk({ criu: simulator, inherit: [{ fd: 0, as: 2 }] })).toThrow('from 3 on');
  });
});
