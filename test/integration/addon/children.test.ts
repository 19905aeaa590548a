import { spawn as nodeSpawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { Socket } from 'node:net';
import { constants } from 'node:os';
import { delimiter, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import {
  type Child,
  pidfdOpen,
  type SpawnOptions,
  sendSignal,
  setChildSubreaper,
  spawn,
  waitChild,
  waitExit,
  watchChild,
} from '../../../src/addon/children.js';
import { memfd } from '../../../src/addon/files.js';
import type { Fd } from '../../../src/addon/native-core.js';
import { receiveSoon, send, seqpacketPair, streamPair } from '../../../src/addon/sockets.js';
import { need, testWith } from '../../helpers/needs.js';
import { openFds } from './open-fds.js';

const { SIGKILL, SIGTERM } = constants.signals;
const PATH = 'PATH=/usr/bin:/bin:/usr/local/bin';
const PYTHON = (process.env['PATH'] ?? '')
  .split(delimiter)
  .map((dir) => join(dir, 'python3'))
  .find((file) => existsSync(file));

const shell = (script: string, more: Partial<SpawnOptions> = {}): Child =>
  spawn({ file: '/bin/sh', argv: ['sh', '-c', script], env: [PATH], fds: [], newProcessGroup: false, ...more });

/** The read end as a Node stream, and the write end as the child's fd 1. */
function captured(): { readonly output: Promise<string>; readonly out: Fd } {
  const [here, out] = streamPair();
  return { output: text(new Socket({ fd: here.take() })), out };
}

describe('watchChild()', () => {
  it('tells of messages when armed, and of the end as waitChild does, and leaves no fd', async () => {
    const before = openFds();
    const [here, there] = seqpacketPair();
    const child = shell('read line', { fds: [{ fd: there, as: 0 }] });
    let told = (): void => {};
    const watch = watchChild(child.pidfd, () => told());
    const next = () =>
      new Promise<void>((resolve) => {
        told = resolve;
        watch.arm(here);
      });
    for (const text of ['early', 'later']) {
      const news = text === 'early' ? undefined : next();
      send(there, new TextEncoder().encode(text));
      await (news ?? next());
      expect(receiveSoon(here, 0)).toMatchObject({ fds: [] });
      expect(receiveSoon(here, 0)).toBeUndefined();
    }
    there.close();
    sendSignal(child.pidfd, SIGKILL);
    expect(await watch.done).toEqual({ kind: 'signaled', signal: SIGKILL, coreDumped: false });
    expect(receiveSoon(here, 0)).toBe('hung-up');
    watch.arm(here);
    for (const fd of [here, child.pidfd]) fd.close();
    expect(() => watch.arm(here)).toThrow(TypeError);
    expect(openFds()).toEqual(before);
  });
});

describe('spawn() and waitChild()', () => {
  it.each([
    ['exit 0', { kind: 'exited', code: 0 }],
    ['exit 7', { kind: 'exited', code: 7 }],
    ['kill -9 $$', { kind: 'signaled', signal: SIGKILL, coreDumped: false }],
  ])('"%s" ends as it says, and leaves no fd', async (script, end) => {
    const before = openFds();
    const { pidfd } = shell(script);
    expect(await waitChild(pidfd).done).toEqual(end);
    pidfd.close();
    expect(openFds()).toEqual(before);
  });

  it('gives the child the fds listed and nothing else', async () => {
    const { output, out } = captured();
    const file = memfd('listed');
    const child = shell('ls /proc/$$/fd; readlink /proc/$$/fd/7; echo $PATH $OTHER; pwd', {
      fds: [
        { fd: out, as: 1 },
        { fd: file, as: 7 },
      ],
      cwd: '/usr',
    });
    out.close();
    file.close();
    expect(await output).toBe(`0\n1\n2\n7\n/memfd:listed (deleted)\n${PATH.slice(5)}\n/usr\n`);
    await waitChild(child.pidfd).done;
    child.pidfd.close();
  });

  it('starts it with default dispositions although Node ignores SIGPIPE', async () => {
    const { output, out } = captured();
    const child = shell("grep -E 'Sig(Blk|Ign)' /proc/self/status", { fds: [{ fd: out, as: 1 }] });
    out.close();
    expect(await output).toMatch(/^SigBlk:\t0{16}\nSigIgn:\t0{16}\n$/);
    await waitChild(child.pidfd).done;
    child.pidfd.close();
  });

  it.each([
    ['a program that is not there', { file: '/nowhere/criu' }, 'ENOENT'],
    ['a program that may not run', { file: '/etc/passwd' }, 'EACCES'],
    ['a directory that is not there', { cwd: '/nowhere' }, 'ENOENT'],
    ['a number that is not open', { fds: [{ fd: 99_999, as: 5 }] }, 'EBADF'],
  ])('reports %s and leaves nothing behind', (_, more, errno) => {
    const before = openFds();
    expect(() => shell('', more)).toThrowError(
      expect.objectContaining({ code: 'IO', detail: expect.objectContaining({ errno }) }),
    );
    expect(openFds()).toEqual(before);
  });

  it('a second wait says ECHILD; waitExit() still answers', async () => {
    const { pidfd } = shell('exit 0');
    await waitChild(pidfd).done;
    await expect(waitChild(pidfd).done).rejects.toMatchObject({ code: 'IO', detail: { errno: 'ECHILD' } });
    await waitExit(pidfd).done;
    expect(() => sendSignal(pidfd, 0)).toThrowError(/ESRCH/);
    pidfd.close();
  });

  it('an aborted wait leaves the child to be waited for', async () => {
    const { pidfd } = shell('exec sleep 100');
    await expect(waitChild(pidfd, { signal: AbortSignal.timeout(10) }).done).rejects.toMatchObject({ code: 'ABORTED' });
    sendSignal(pidfd, SIGTERM);
    expect(await waitChild(pidfd).done).toMatchObject({ kind: 'signaled', signal: SIGTERM });
    pidfd.close();
  });
});

describe("our children beside libuv's", () => {
  it('each side reaps its own when 20 of both end at once', async () => {
    const ours = Array.from({ length: 20 }, (_, i) => ({ code: i + 1, ...shell(`exit ${i + 1}`) }));
    const theirs = Array.from({ length: 20 }, (_, i) => nodeSpawn('/bin/sh', ['-c', `exit ${i + 101}`]));
    const libuv = theirs.map(async (child, i) => expect(await once(child, 'exit')).toEqual([i + 101, null]));
    const addon = ours.map(async ({ pidfd, code }) => {
      expect(await waitChild(pidfd).done).toEqual({ kind: 'exited', code });
      pidfd.close();
    });
    await Promise.all([...libuv, ...addon]);
  });

  it('a child of Node can be watched by waitExit() without taking its status', async () => {
    const child = nodeSpawn('/bin/sh', ['-c', 'read line; exit 9']);
    const exit = once(child, 'exit');
    const pidfd = pidfdOpen(child.pid ?? 0);
    const watch = waitExit(pidfd);
    child.stdin.end('\n');
    await watch.done;
    expect(await exit).toEqual([9, null]);
    pidfd.close();
  });
});

// What CRIU does with rst_sibling: a process below us makes another one whose parent we are.
const CLONE_PARENT = `
import ctypes, os, sys
number = 56 if os.uname().machine == 'x86_64' else 220
pid = ctypes.CDLL(None).syscall(number, 0x8000 | 17, 0, 0, 0, 0)
if pid == 0: os.read(0, 1); os._exit(5)
print(pid, flush=True)`;

describe('children that others made for us', () => {
  testWith(
    [need('python3', PYTHON === undefined && 'it is not on the PATH')],
    'one born with CLONE_PARENT is waited for by its pid',
    async () => {
      const made = await makeRelative(PYTHON ?? '', ['python3', '-c', CLONE_PARENT]);
      const theirs = nodeSpawn('/bin/sh', ['-c', 'exit 6']);
      const libuv = once(theirs, 'exit');
      made.hold.close();
      expect(await waitChild(made.pidfd).done).toEqual({ kind: 'exited', code: 5 });
      expect(await libuv).toEqual([6, null]);
      made.pidfd.close();
    },
  );

  it('an orphan becomes ours with setChildSubreaper()', async () => {
    setChildSubreaper(true);
    // The shell gives its background job /dev/null as input, hence the detour over 3.
    const script = 'exec 3<&0; sh -c "read line; exit 5" <&3 & echo $!';
    const made = await makeRelative('/bin/sh', ['sh', '-c', script]);
    setChildSubreaper(false);
    made.hold.close();
    expect(await waitChild(made.pidfd).done).toEqual({ kind: 'exited', code: 5 });
    made.pidfd.close();
  });
});

// Runs a program that prints the pid of a process which it leaves behind, and which ends when `hold` is closed.
async function makeRelative(file: string, argv: string[]): Promise<{ readonly pidfd: Fd; readonly hold: Fd }> {
  const [hold, input] = streamPair();
  const [here, out] = streamPair();
  const maker = shell('', {
    file,
    argv,
    fds: [
      { fd: input, as: 0 },
      { fd: out, as: 1 },
      { fd: 2, as: 2 },
    ],
  });
  out.close();
  input.close();
  const socket = new Socket({ fd: here.take() });
  const [line] = (await once(socket, 'data')) as [Buffer];
  socket.destroy();
  expect(await waitChild(maker.pidfd).done).toEqual({ kind: 'exited', code: 0 });
  maker.pidfd.close();
  return { pidfd: pidfdOpen(Number(line.toString())), hold };
}
