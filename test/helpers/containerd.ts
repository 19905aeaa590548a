// A containerd with a store of its own, from the private prefix: an engine for one test. It gives its containers no network.

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ask } from './ask.js';
import { ociArchive } from './engine-image.js';
import { need } from './needs.js';
import { home } from './prefix.js';
import type { TempDir } from './temp-dir.js';
import { until } from './until.js';

const BIN = join(home, 'containerd/usr/bin');

export const CONTAINERD = need(
  'containerd in the private prefix',
  !existsSync(join(BIN, 'containerd')) && `no ${BIN}; run scripts/setup --lab`,
);

export const IMAGE = 'localhost/frazil/target:1';

export interface Containerd extends AsyncDisposable {
  /** `ctr` with these words. Throws with what it said when it fails. */
  ctr(...words: string[]): Promise<string>;
  /** Pid and status of a task, as containerd says it. */
  task(name: string): Promise<{ readonly pid: number; readonly status: string } | undefined>;
  /** Asks the target in a container that runs. */
  ask(name: string, question: string): Promise<unknown>;
}

/** Starts the daemon with an image in its store: IMAGE. */
export async function startContainerd(dir: TempDir): Promise<Containerd> {
  const state = dir.folder('containerd');
  const socket = join(state, 'c.sock');
  const log = openSync(join(state, 'log'), 'w');
  const daemon = spawn(join(BIN, 'containerd'), ['--config', configIn(state)], {
    // What it is started with its shims have, and their runtime.
    env: { PATH: `${BIN}:${process.env['PATH']}`, FRAZIL_HOME: home },
    stdio: ['ignore', log, log],
  });
  const ctr = async (...words: string[]): Promise<string> => {
    const { stdout } = await promisify(execFile)(join(BIN, 'ctr'), ['--address', socket, ...words]);
    return stdout.trim();
  };
  const task: Containerd['task'] = async (name) => {
    const line = (await ctr('task', 'ls')).split('\n').find((each) => each.startsWith(`${name} `));
    const [, pid, status] = line?.trim().split(/\s+/) ?? [];
    return status === undefined ? undefined : { pid: Number(pid), status };
  };
  await until('containerd answers', () => {
    if (daemon.exitCode !== null) throw new Error(readFileSync(join(state, 'log'), 'utf8'));
    return ctr('version').catch(() => false);
  });
  await ctr('image', 'import', await ociArchive(dir, IMAGE));
  return {
    ctr,
    task,
    ask: async (name, question) => ask(`/proc/${(await task(name))?.pid}/root/tmp/control`, question),
    async [Symbol.asyncDispose]() {
      for (const name of (await ctr('container', 'ls', '--quiet')).split('\n').filter(Boolean)) {
        await ctr('task', 'rm', '--force', name).catch(() => {});
        await ctr('container', 'rm', name);
      }
      await until('its shims have ended', async () => (await ctr('task', 'ls', '--quiet')) === '');
      const ended = once(daemon, 'exit');
      daemon.kill();
      await ended;
    },
  };
}

// No more of it than a store and tasks: the rest would look around on the machine.
const DISABLED = [
  'grpc.v1.cri',
  'snapshotter.v1.btrfs',
  'snapshotter.v1.zfs',
  'snapshotter.v1.devmapper',
  'snapshotter.v1.aufs',
  'internal.v1.tracing',
  'tracing.processor.v1.otlp',
];

function configIn(state: string): string {
  const file = join(state, 'config.toml');
  const lines = [
    'version = 2',
    `root = "${state}/root"`,
    `state = "${state}/state"`,
    `disabled_plugins = [${DISABLED.map((name) => `"io.containerd.${name}"`).join(', ')}]`,
    `grpc = { address = "${state}/c.sock" }`,
    `ttrpc = { address = "${state}/t.sock" }`,
    `plugins = { "io.containerd.internal.v1.opt" = { path = "${state}/opt" } }`,
  ];
  writeFileSync(file, `${lines.join('\n')}\n`, { mode: 0o600 });
  return file;
}
