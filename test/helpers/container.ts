// Containers of real runtimes: a bundle with one of our targets in it, and the runtime's command line.
//
// crun wants cgroup v2 alone, so it is called through a script that gives it a mount namespace with such a tree.

import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ask } from './ask.js';
import { CRIU_42 } from './criu-cli.js';
import { FRAZIL } from './frazil-cli.js';
import { type Need, need } from './needs.js';
import { home } from './prefix.js';
import { programOf } from './target.js';
import type { TempDir } from './temp-dir.js';
import { until } from './until.js';

const BUSYBOX = join(home, 'criu/usr/bin/busybox');

export interface TestRuntime {
  readonly name: 'runc' | 'crun';
  readonly here: Need;
  /** The program to call; `dir` is where a script may be put. */
  program(dir: TempDir): string;
}

export const RUNC: TestRuntime = { ...real('runc', 'sbin/runc'), program: () => join(home, 'runtimes/usr/sbin/runc') };
export const CRUN: TestRuntime = { ...real('crun', 'bin/crun'), program: (dir) => onlyCgroup2(dir) };
export const RUNTIMES = [RUNC, CRUN];
/** For callBy(): the runtime through Frazil. */
export const SEATED = [...FRAZIL, 'runc'];

function real(name: TestRuntime['name'], path: string): Pick<TestRuntime, 'name' | 'here'> {
  const file = join(home, 'runtimes/usr', path);
  return { name, here: need(`${name} in the private prefix`, !existsSync(file) && `no ${file}; run scripts/setup`) };
}

function onlyCgroup2(dir: TempDir): string {
  const path = join(dir.path, 'crun');
  if (existsSync(path)) return path;
  const mounts = 'umount -R /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup';
  const inside = `'${mounts} && exec "$@"' - ${join(home, 'runtimes/usr/bin/crun')} "$@"`;
  writeFileSync(path, `#!/bin/sh\nexec unshare -m --propagation private sh -c ${inside}\n`);
  chmodSync(path, 0o755);
  return path;
}

export interface Outcome {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Container extends AsyncDisposable {
  readonly id: string;
  readonly bundle: string;
  /** The runtime's state root. */
  readonly root: string;
  /** The runtime with its global options; never throws for what it answers. */
  call(...args: string[]): Promise<Outcome>;
  /** The same by another program: `frazil runc`, the launcher. */
  callBy(program: readonly string[], ...args: string[]): Promise<Outcome>;
  /** The runtime's `state`, or nothing when it knows no such container. */
  state(): Promise<{ readonly status: string; readonly pid: number } | undefined>;
  ask<T>(question: string): Promise<T>;
}

/** A part of the OCI specification, as far as tests change it. */
export interface Spec {
  process: {
    terminal: boolean;
    args: string[];
    cwd: string;
    consoleSize?: { height: number; width: number };
  };
  root: { path: string; readonly: boolean };
  hostname: string;
  mounts: { destination: string; type?: string; source?: string; options?: string[] }[];
  linux: { namespaces: { type: string; path?: string }[]; maskedPaths?: string[] };
}

export interface ContainerOptions {
  readonly mebibytes?: number;
  readonly change?: (spec: Spec) => void;
}

/** Makes the bundle; nothing runs yet. */
export async function makeContainer(
  runtime: TestRuntime,
  dir: TempDir,
  { mebibytes = 16, change }: ContainerOptions = {},
): Promise<Container> {
  const id = `frazil-${randomUUID().slice(0, 8)}`;
  const bundle = dir.folder(`b-${id}`);
  const rootfs = join(bundle, 'rootfs');
  for (const folder of ['bin', 'tmp', 'proc', 'dev', 'sys']) mkdirSync(join(rootfs, folder), { recursive: true });
  copyFileSync(BUSYBOX, join(rootfs, 'bin/busybox'));
  copyFileSync(await programOf('memory'), join(rootfs, 'bin/memory'));
  const program = runtime.program(dir);
  const root = dir.folder('state');
  await run(program, ['spec'], bundle);
  const config = join(bundle, 'config.json');
  const spec: Spec = JSON.parse(readFileSync(config, 'utf8'));
  spec.process.terminal = false;
  spec.process.args = ['/bin/memory', '/tmp/control', String(mebibytes), '2', '4'];
  spec.root.readonly = false;
  change?.(spec);
  writeFileSync(config, JSON.stringify(spec));
  const call = (...args: string[]): Promise<Outcome> => run(program, ['--root', root, ...args], bundle);
  return {
    id,
    bundle,
    root,
    call,
    callBy: ([file = '', ...words], ...args) => run(file, [...words, '--root', root, ...args], bundle, program),
    state: async () => {
      const { status, stdout } = await call('state', id);
      return status === 0 ? JSON.parse(stdout) : undefined;
    },
    ask: (question) => ask(join(rootfs, 'tmp/control'), question),
    async [Symbol.asyncDispose]() {
      await call('delete', '--force', id);
      removeCgroups(id);
    },
  };
}

/** Makes it and runs it detached, until the target answers. */
export async function startContainer(
  runtime: TestRuntime,
  dir: TempDir,
  options: ContainerOptions = {},
): Promise<Container> {
  const container = await makeContainer(runtime, dir, options);
  const { status, stderr } = await container.call('run', '--detach', '--bundle', container.bundle, container.id);
  if (status !== 0) throw new Error(`${runtime.name} run ended with ${status}: ${stderr}`);
  await answers(container);
  return container;
}

export async function answers(container: Container): Promise<void> {
  await until('the target in the container answers', () => container.ask('pid').then(Boolean, () => false));
}

// The real CRIU is what a runtime finds without Frazil; it needs to be told about nftables, which Frazil does by itself. Both need to be
// told which properties of cgroups to keep. A container
// keeps the standard fds of the runtime that started it, and a file outside of it could not be dumped: then only the log tells.
async function run(file: string, args: readonly string[], cwd: string, FRAZIL_RUNC?: string): Promise<Outcome> {
  const plain = FRAZIL_RUNC === undefined;
  const config = criuConfig(cwd, plain ? 'network-lock nftables\n' : '');
  const PATH = `${join(CRIU_42.path, '..')}:${process.env['PATH']}`;
  const seated = plain ? {} : { FRAZIL_RUNC, FRAZIL_CRIU: CRIU_42.path };
  const env = { ...process.env, PATH, CRIU_CONFIG_FILE: config, ...seated };
  const starts = args.some((word) => word === '-d' || word === '--detach');
  const [out, err] = [join(cwd, `out-${randomUUID()}`), join(cwd, `err-${randomUUID()}`)];
  const script = starts ? 'exec "$@" </dev/null >/dev/null 2>&1' : 'exec "$@" </dev/null >"$OUT" 2>"$ERR"';
  const at = args.indexOf('--root');
  const logged = starts ? args.toSpliced(at, 0, '--log', err) : args;
  const failure = await promisify(execFile)('sh', ['-c', script, '-', file, ...logged], {
    cwd,
    env: { ...env, OUT: out, ERR: err },
  }).then(
    () => undefined,
    (error: { readonly code?: unknown }) => error,
  );
  const status = failure === undefined ? 0 : typeof failure.code === 'number' ? failure.code : SIGNALED;
  const text = (path: string): string => (existsSync(path) ? readFileSync(path, 'utf8') : '');
  return { status, stdout: text(out), stderr: text(err) };
}

const SIGNALED = 128;

/** Writes it into `folder`, for CRIU_CONFIG_FILE. */
export function criuConfig(folder: string, more = ''): string {
  const config = join(folder, more === '' ? 'criu.conf' : 'criu-more.conf');
  const properties = join(folder, 'cgroup-props');
  writeFileSync(properties, CGROUP_PROPERTIES);
  writeFileSync(config, `${more}cgroup-props-file ${properties}\n`);
  return config;
}

// On a hybrid host a container of crun is in the roots of the hierarchies of cgroup v1. So CRIU keeps all of their trees, other people's
// containers included, and makes them anew below the cgroup of the container. What a root or two groups at once cannot have below
// it (the realtime budget, exclusive cpus) must not be among what it keeps.
const CGROUP_PROPERTIES = ['"cpuset":["cpuset.cpus", "cpuset.mems"]', '"cpu":["cpu.shares"]']
  .map((each) => each.replace(':', ':\n - "strategy": "replace"\n - "properties": '))
  .join('\n')
  .concat('\n');

/** What a restore by CRIU leaves in the hierarchies that the runtime does not know. */
export function removeCgroups(id: string): void {
  for (const hierarchy of readdirSync('/sys/fs/cgroup')) removeTree(join('/sys/fs/cgroup', hierarchy, id));
}

function removeTree(group: string): void {
  if (!existsSync(group)) return;
  for (const entry of readdirSync(group, { withFileTypes: true }))
    if (entry.isDirectory()) removeTree(join(group, entry.name));
  try {
    rmdirSync(group);
  } catch {
    // Busy for as long as a process of it has not been reaped: it holds nothing that others need.
  }
}
