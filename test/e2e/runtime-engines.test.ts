// The words with which engines call a runtime (facts of Podman's libpod and containerd's shim), given to frazil-runc: with nothing in
// the environment but where the private prefix is, PATH empty.

import { execFile } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect } from 'vitest';
import { ask } from '../helpers/ask.js';
import { BUILT } from '../helpers/built.js';
import { answers, type Outcome, RUNC, startContainer } from '../helpers/container.js';
import { CONTAINERD, IMAGE as CONTAINERD_IMAGE, startContainerd } from '../helpers/containerd.js';
import { CRIU_42 } from '../helpers/criu-cli.js';
import { LAUNCHER } from '../helpers/launcher.js';
import { testWith } from '../helpers/needs.js';
import { PODMAN, run, running, startPodman } from '../helpers/podman.js';
import { type TempDir, tempDir } from '../helpers/temp-dir.js';
import { until } from '../helpers/until.js';

const needs = [RUNC.here, CRIU_42.here, BUILT];

// criu/usr/sbin/criu of the prefix.
const ENV = { FRAZIL_HOME: dirname(dirname(dirname(dirname(CRIU_42.path)))), PATH: '' };
// What the plain runtime needs to find its CRIU.
const PLAIN = { PATH: dirname(CRIU_42.path) };

/** Standard streams are files, or a detached container would keep a pipe open. */
function bare(program: string, dir: TempDir, words: readonly string[]): Promise<Outcome> {
  const [out, err] = ['out', 'err'].map((name) => join(dir.path, name));
  const detached = words.includes('--detach');
  const script = detached ? 'exec "$@" >/dev/null 2>&1' : `exec "$@" >${out} 2>${err}`;
  return new Promise((resolve) => {
    execFile(
      '/bin/sh',
      ['-c', `cd /; ${script}`, '-', program, ...words],
      { env: program === LAUNCHER ? ENV : PLAIN },
      (failure) => {
        const status = failure === null ? 0 : typeof failure.code === 'number' ? failure.code : -1;
        const text = (path = ''): string => (detached ? '' : readFileSync(path, 'utf8'));
        resolve({ status, stdout: text(out), stderr: text(err) });
      },
    );
  });
}

describe('Podman', () => {
  testWith(needs, 'its probes are answered as runc answers them', async () => {
    await using dir = tempDir();
    for (const probe of ['--version', 'features', 'checkpoint --help', 'restore --lsm-mount-context']) {
      // One after the other: they print into the same files.
      const [ours, real] = [
        await bare(LAUNCHER, dir, probe.split(' ')),
        await bare(RUNC.program(dir), dir, probe.split(' ')),
      ];
      const plain = (outcome: Outcome): unknown =>
        JSON.parse(JSON.stringify(outcome).replaceAll(/time=[^ ]*/g, 'time'));
      expect(plain(ours), probe).toEqual(plain(real));
    }
    const supported = await bare(LAUNCHER, dir, ['checkpoint', '--help']);
    expect(supported.status).toBe(0);
    const pods = await bare(LAUNCHER, dir, ['restore', '--lsm-mount-context']);
    expect(pods.stdout + pods.stderr).toMatch(/flag needs an argument|requires an argument/);
  });

  testWith(needs, 'its checkpoint and restore', async () => {
    await using dir = tempDir();
    await using container = await startContainer(RUNC, dir);
    const before = await container.ask('digest');
    const engine = dir.folder('engine');
    const images = ['--image-path', join(engine, 'checkpoint'), '--work-path', engine];
    const global = ['--root', container.root];
    const options = ['--leave-running', '--tcp-established', '--file-locks'];
    const kept = await bare(LAUNCHER, dir, [...global, 'checkpoint', ...images, ...options, container.id]);
    expect(kept).toEqual({ status: 0, stdout: '', stderr: '' });
    const made = await bare(LAUNCHER, dir, [...global, 'checkpoint', ...images, container.id]);
    expect(made).toEqual({ status: 0, stdout: '', stderr: '' });
    throughFrazil(join(engine, 'checkpoint'), join(engine, 'dump.log'));
    expect(existsSync(join(engine, 'dump.log'))).toBe(true);
    const pid = ['--bundle', container.bundle, '--pid-file', join(engine, 'pidfile')];
    const back = await bare(LAUNCHER, dir, [...global, 'restore', ...images, '--detach', ...pid, container.id]);
    expect(back.status, readFileSync(join(engine, 'restore.log'), 'utf8').slice(-500)).toBe(0);
    await answers(container);
    expect(await container.ask('digest')).toEqual(before);
  });
});

describe('containerd', () => {
  testWith(needs, 'its shim: checkpoint, restore, state, ps, kill, delete', async () => {
    await using dir = tempDir();
    await using container = await startContainer(RUNC, dir);
    const before = await container.ask('digest');
    const work = dir.folder('criu-work');
    const images = dir.folder('images');
    const log = join(container.bundle, 'log.json');
    const global = ['--root', container.root, '--log', log, '--log-format', 'json'];
    const shim = async (...words: string[]): Promise<string> => {
      const { status, stdout, stderr } = await bare(LAUNCHER, dir, [...global, ...words]);
      const said = existsSync(log) ? readFileSync(log, 'utf8') : '';
      expect(status, `${words.join(' ')}: ${stderr} ${said}`).toBe(0);
      return stdout;
    };
    const { id, bundle } = container;
    await shim('checkpoint', '--image-path', images, '--work-path', work, '--leave-running', id);
    await shim('checkpoint', '--image-path', images, '--work-path', work, '--tcp-established', '--file-locks', id);
    throughFrazil(images, join(work, 'dump.log'));
    const pidFile = join(bundle, 'init.pid');
    const words = ['--image-path', images, '--work-path', work, '--detach', '--pid-file', pidFile, '-no-subreaper'];
    await shim('restore', ...words, '--bundle', bundle, id);
    await answers(container);
    expect(await container.ask('digest')).toEqual(before);
    expect(JSON.parse(await shim('state', id))).toMatchObject({ pid: Number(readFileSync(pidFile, 'utf8')) });
    expect(JSON.parse(await shim('ps', '--format', 'json', id))).toContain(Number(readFileSync(pidFile, 'utf8')));
    await shim('kill', '--all', id, '9');
    await until('it has stopped', async () => JSON.parse(await shim('state', id)).status === 'stopped');
    await shim('delete', '--force', id);
  });

  testWith(needs, "what it makes of a refusal: the runtime's log, and dump.log in the work folder", async () => {
    await using dir = tempDir();
    await using container = await startContainer(RUNC, dir, { change: holdUndumpable });
    const failing = async (program: string, name: string) => {
      const [work, images] = [dir.folder(`${name}-work`), dir.folder(`${name}-images`)];
      const log = join(dir.path, `${name}.json`);
      const global = ['--root', container.root, '--log', log, '--log-format', 'json'];
      const words = ['checkpoint', '--image-path', images, '--work-path', work, container.id];
      const { status } = await bare(program, dir, [...global, ...words]);
      const last = JSON.parse(readFileSync(log, 'utf8').trim().split('\n').at(-1) ?? '{}');
      return { status, msg: String(last.msg).replaceAll(work, 'WORK'), log: existsSync(join(work, 'dump.log')) };
    };
    const ours = await failing(LAUNCHER, 'ours');
    expect(ours).toEqual(await failing(RUNC.program(dir), 'real'));
    expect(ours).toMatchObject({ status: 1, msg: expect.stringContaining('criu failed: type'), log: true });
    await answers(container);
  });
});

testWith(
  [CONTAINERD, CRIU_42.here, BUILT],
  'a real containerd over frazil-runc: checkpoint, restore, kill',
  async () => {
    await using dir = tempDir();
    await using containerd = await startContainerd(dir);
    const { ctr, task } = containerd;
    const runtime = ['--runc-binary', LAUNCHER, '--runc-root', dir.folder('runc')];
    await ctr('run', '--detach', ...runtime, CONTAINERD_IMAGE, 'one', '/bin/memory', '/tmp/control', '16', '2', '4');
    const digest = (name: string): Promise<unknown> =>
      until('the target answers', () => containerd.ask(name, 'digest').catch(() => false));
    const before = await digest('one');
    const images = dir.folder('images');
    const work = dir.folder('work');
    await ctr('task', 'checkpoint', '--image-path', images, '--work-path', work, 'one');
    throughFrazil(images, join(work, 'dump.log'));
    expect(await task('one')).toMatchObject({ status: 'RUNNING' });
    // Into its store: images, what has changed of the root, the options of the runtime.
    const ref = 'localhost/frazil/checkpoint:1';
    await ctr('container', 'checkpoint', '--rw', '--image', '--task', 'one', ref);
    await ctr('task', 'rm', '--force', 'one');
    await ctr('container', 'rm', 'one');
    await ctr('container', 'restore', '--rw', '--live', 'two', ref);
    expect(await digest('two')).toEqual(before);
    expect(await task('two')).toMatchObject({ status: 'RUNNING' });
    expect(await ctr('task', 'exec', '--exec-id', 'look', 'two', 'cat', '/proc/1/comm')).toBe('memory');
    await ctr('task', 'kill', '--signal', 'KILL', 'two');
    await until('containerd has seen its end', async () => (await task('two'))?.status === 'STOPPED');
  },
);

// A file without a name and larger than CRIU's limit for those.
function holdUndumpable(spec: { process: { args: string[] } }): void {
  const open =
    '/bin/busybox dd if=/dev/zero of=/tmp/x bs=1000000 count=3 conv=fsync; exec 7</tmp/x; /bin/busybox rm /tmp/x';
  spec.process.args = ['/bin/busybox', 'sh', '-c', `${open}; ${spec.process.args.join(' ')} & wait`];
}

function throughFrazil(images: string, log = join(images, 'dump.log')): void {
  expect(readFileSync(log, 'utf8')).toContain('page-xfer: Reusing ps socket');
  expect(statSync(join(images, 'pages-1.img')).mode & 0o777).toBe(0o600);
}

testWith(
  [PODMAN, CRIU_42.here, BUILT],
  'a real Podman over frazil-runc: checkpoint, restore, export, import',
  async () => {
    await using dir = tempDir();
    await using podman = await startPodman(dir, () => {}, { frazil: LAUNCHER });
    const call = (...words: string[]): Promise<string> => podman.call('--runtime', 'frazil', ...words);
    const inspect = (name: string, what: string): Promise<string> => call('inspect', '--format', `{{.${what}}}`, name);
    const digest = async (name: string): Promise<unknown> => ask((await running(podman, name)).control, 'digest');
    await run({ ...podman, call }, 'a');
    expect(await inspect('a', 'OCIRuntime')).toBe('frazil');
    const before = await digest('a');
    await call('container', 'checkpoint', '--keep', 'a');
    throughFrazil(await inspect('a', 'State.CheckpointPath'), await inspect('a', 'State.CheckpointLog'));
    await call('container', 'restore', 'a');
    expect(await digest('a')).toEqual(before);
    const archive = join(dir.path, 'a.tar.zst');
    await call('container', 'checkpoint', '--export', archive, 'a');
    await call('rm', 'a');
    await call('container', 'restore', '--import', archive, '--name', 'b');
    expect(await digest('b')).toEqual(before);
    expect(await call('exec', 'b', 'cat', '/proc/1/comm')).toBe('memory');
  },
);
