import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CheckpointError } from '../../../src/errors/checkpoint-error.js';
import { answerOf } from '../../../src/rpc/answer.js';
import { expectServed } from '../../../src/rpc/failure.js';
import { libcriuAnswer } from '../../../src/rpc/libcriu-answer.js';
import { notificationOf, replyTo } from '../../../src/rpc/notification.js';
import type { RequestKind } from '../../../src/rpc/session.js';
import { type CriuResponse, RPC } from '../../../src/schema/rpc.js';
import { decodeResponse, encodeResponse } from '../../../src/schema/rpc-codec.js';
import { arbitraryMessage } from '../schema/arbitrary-message.js';

const KINDS: readonly RequestKind[] = [
  'VERSION',
  'FEATURE_CHECK',
  'CHECK',
  'CPUINFO_DUMP',
  'CPUINFO_CHECK',
  'DUMP',
  'PRE_DUMP',
  'SINGLE_PRE_DUMP',
  'RESTORE',
  'PAGE_SERVER',
  'PAGE_SERVER_CHLD',
  'WAIT_PID',
];

describe('answerOf()', () => {
  test('makes an answer of any response, or PROTOCOL', () => {
    fc.assert(
      fc.property(fc.constantFrom(...KINDS), arbitraryMessage(RPC, 'criu_resp'), (kind, message) => {
        const response = decodeResponse(encodeResponse(message as unknown as CriuResponse));
        try {
          const answer = answerOf(kind, response);
          expect(answer.kind).toBe(response.success ? 'served' : 'refused');
        } catch (error) {
          expect(CheckpointError.is(error, 'PROTOCOL')).toBe(true);
        }
      }),
      { numRuns: 500 },
    );
  });

  test('a page server child answers under the type of a page server', () => {
    const ps = { pid: 5, port: 1234 };
    expect(answerOf('PAGE_SERVER_CHLD', { type: 'PAGE_SERVER', success: true, ps })).toEqual({ kind: 'served', ...ps });
  });

  test('the pid 0 of a page server daemon is none', () => {
    const ps = { pid: 0, port: 1234 };
    expect(answerOf('PAGE_SERVER', { type: 'PAGE_SERVER', success: true, ps })).toEqual({ kind: 'served', port: 1234 });
  });

  test.each([
    [0x0300, { kind: 'exited', code: 3 }],
    [0x0009, { kind: 'signaled', signal: 9, coreDumped: false }],
    [0x008b, { kind: 'signaled', signal: 11, coreDumped: true }],
  ])('a wait status of %i is %j', (status, exit) => {
    expect(answerOf('WAIT_PID', { type: 'WAIT_PID', success: true, status })).toEqual({ kind: 'served', exit });
  });

  test.each([
    ['VERSION without a version', 'VERSION', {}],
    ['RESTORE without a pid', 'RESTORE', {}],
    ['RESTORE of pid -1', 'RESTORE', { restore: { pid: -1 } }],
    ['PAGE_SERVER_CHLD without a pid', 'PAGE_SERVER_CHLD', { type: 'PAGE_SERVER' }],
    ['WAIT_PID without a status', 'WAIT_PID', {}],
    ['an answer to another request', 'DUMP', { type: 'RESTORE' }],
  ] as const)('%s is PROTOCOL', (_, kind, response) => {
    expect(() => answerOf(kind, { type: kind, success: true, ...response })).toThrow(CheckpointError);
  });

  test('EMPTY is how CRIU refuses what it cannot read', () => {
    expect(answerOf('DUMP', { type: 'EMPTY', success: false })).toEqual({ kind: 'refused' });
  });
});

describe('notificationOf()', () => {
  const notify = (script?: string, pid?: number): CriuResponse => ({
    type: 'NOTIFY',
    success: true,
    notify: { ...(script === undefined ? {} : { script }), ...(pid === undefined ? {} : { pid }) },
  });

  test.each(['pre-dump', 'post-dump', 'network-lock', 'status-ready', 'query-ext-files'])('knows %s', (script) => {
    expect(notificationOf(notify(script), [])).toEqual({ kind: script });
  });

  test('passes an unknown script on', () => {
    expect(notificationOf(notify('pre-teleport', 4), [])).toEqual({ kind: 'unknown', script: 'pre-teleport', pid: 4 });
  });

  test.each([
    ['no script', notify()],
    ['post-restore without a pid', notify('post-restore')],
    ['orphan-pts-master without a terminal', notify('orphan-pts-master')],
  ])('%s is PROTOCOL', (_, response) => {
    expect(() => notificationOf(response, [])).toThrow(CheckpointError);
  });
});

test('replyTo() carries external resources, and nothing else, along with a consent', () => {
  expect(replyTo({ kind: 'refuse' })).toEqual({ type: 'NOTIFY', notify_success: false });
  expect(replyTo({ kind: 'proceed', external: ['unix[1]'] })).toEqual({
    type: 'NOTIFY',
    notify_success: true,
    opts: { images_dir_fd: -1, external: ['unix[1]'] },
  });
});

describe('libcriuAnswer()', () => {
  const ending = { exit: { kind: 'exited', code: 1 }, stderr: 'x', terminated: false } as const;
  const outcome = { kind: 'returned', symbol: '', features: [] } as const;

  test.each([
    ['VERSION', 40201, 0, { kind: 'served', version: { major: 4, minor: 2, sublevel: 1 } }],
    ['RESTORE', 4121, 0, { kind: 'served', pid: 4121 }],
    ['DUMP', 0, 0, { kind: 'served', restored: false }],
    ['DUMP', 1, 0, { kind: 'served', restored: true }],
    ['DUMP', -52, 3, { kind: 'refused', errno: 3 }],
    ['DUMP', -52, 0, { kind: 'refused' }],
    ['DUMP', -70, 104, { kind: 'hung-up', ...ending }],
    ['CHECK', -111, 111, { kind: 'hung-up', ...ending }],
  ] as const)('%s that returned %i with errno %i', (kind, value, errno, answer) => {
    expect(libcriuAnswer(kind, { ...outcome, value, errno }, ending)).toEqual(answer);
  });

  test('our own refusal is known as such', () => {
    const answer = libcriuAnswer('DUMP', { ...outcome, value: -125, errno: 0 }, { ...ending, refusedAt: 'post-dump' });
    expect(answer).toEqual({ kind: 'refused', refusedAt: 'post-dump' });
  });
});

describe('expectServed()', () => {
  test.each([
    ['REQUEST_REFUSED', { kind: 'refused', errno: 56 }, 'Cannot finish CHECK: CRIU refused it with errno 56'],
    ['REQUEST_REFUSED', { kind: 'refused', message: 'Error (a.c:1): no' }, 'Cannot finish CHECK: Error (a.c:1): no'],
    ['REQUEST_REFUSED', { kind: 'refused', refusedAt: 'post-dump' }, 'it was refused at post-dump'],
    [
      'CRIU_DIED',
      {
        kind: 'hung-up',
        exit: { kind: 'signaled', signal: 11, coreDumped: false },
        stderr: 'a\nb\n',
        terminated: false,
      },
      'Cannot finish CHECK: CRIU was killed by SIGSEGV without an answer. It said "b"',
    ],
    ['CRIU_DIED', { kind: 'hung-up', stderr: '', terminated: false }, 'CRIU hung up without an answer'],
  ] as const)('throws %s for %j', (code, answer, message) => {
    try {
      expectServed(answer, { request: 'CHECK' });
      expect.unreachable();
    } catch (error) {
      expect(CheckpointError.is(error, code)).toBe(true);
      expect(String(error)).toContain(message);
    }
  });
});
