// ContainerOperations and CheckpointOperations over a runtime's command line.

import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { containerFrom, containersFrom, pidsFrom } from './answers.js';
import { prepareBundle, withDocument } from './bundle.js';
import { checkpoints } from './checkpoints.js';
import { call, type Driver, perform, printed } from './driver.js';
import { wordsOf } from './flags.js';
import { type Env, locateRuntime, pathOf } from './locate.js';
import { assertId, type CheckpointOperations, type ContainerOperations } from './operations.js';
import type { Abortable, GlobalOptions, OciDocument } from './options.js';
import { runRuntime } from './process.js';
import type { Runtime } from './runtime.js';
import { CRUN } from './runtimes/crun.js';
import { RUNC } from './runtimes/runc.js';

export interface ContainersCall extends GlobalOptions {
  /** Default: runc. */
  readonly runtime?: 'runc' | 'crun' | Runtime;
  /** Path of the program. Default: FRAZIL_RUNC for runc, the private prefix, PATH. */
  readonly path?: string;
  /** Path of the CRIU to use. Default: FRAZIL_CRIU, the private prefix, PATH. */
  readonly criu?: string;
}

const KNOWN = { runc: RUNC, crun: CRUN } as const;

/**
 * A runtime's containers. The object has `checkpoint` and `restore` only where the runtime can do it: see checkpointOperations().
 * Rejects with RUNTIME_MISSING.
 */
export async function containers(
  call: ContainersCall = {},
): Promise<ContainerOperations | (ContainerOperations & CheckpointOperations)> {
  const driver = await driverOf(call);
  const operations = containerOperations(driver);
  if (!(await canCheckpoint(driver))) return operations;
  return { ...operations, ...checkpoints(driver) };
}

/** The runtime's program with its global options. Rejects with RUNTIME_MISSING. */
export async function driverOf({ runtime: chosen = 'runc', path, criu, ...global }: ContainersCall): Promise<Driver> {
  const runtime = typeof chosen === 'string' ? KNOWN[chosen] : chosen;
  const env: Env = { ...process.env, PATH: pathOf(process.env) };
  const file = await locateRuntime({ name: runtime.name, path, env });
  const words = wordsOf(global, runtime.global, { runtime: runtime.name, verb: 'work' });
  return { runtime, file, global: words, env, criu };
}

async function canCheckpoint(driver: Driver): Promise<boolean> {
  const ask = async (word: string): Promise<string | undefined> => {
    const stdout = new PassThrough();
    const { status } = await runRuntime({
      file: driver.file,
      args: [word],
      env: driver.env,
      stdio: ['ignore', 'pipe', 'ignore'],
      started: (child) => child.stdout?.pipe(stdout),
    });
    if (status !== 0) return undefined;
    return text(stdout);
  };
  const [version = '', features] = await Promise.all([ask('--version'), ask('features')]);
  return driver.runtime.canCheckpoint({ version, features });
}

function containerOperations(driver: Driver): ContainerOperations {
  const { runtime } = driver;
  const encode = (verb: 'create' | 'run' | 'exec' | 'delete' | 'kill', options: object): readonly string[] =>
    wordsOf(options, runtime[verb], { runtime: runtime.name, verb });
  const plain = async (id: string, words: readonly string[], options: Abortable = {}): Promise<void> => {
    assertId(id);
    await call(driver, words, options);
  };
  return {
    create: async (id, options) => {
      assertId(id);
      const { preserveFds: fds = [] } = options;
      await prepareBundle(options);
      return perform(driver, ['create', ...encode('create', options), ...preserved(fds), id], { ...options, fds });
    },
    run: async (id, options) => {
      assertId(id);
      const { preserveFds: fds = [] } = options;
      await prepareBundle(options);
      return perform(driver, ['run', ...encode('run', options), ...preserved(fds), id], { ...options, fds });
    },
    exec: async (id, options) => {
      assertId(id);
      const { command, preserveFds: fds = [] } = options;
      const words = ['exec', ...encode('exec', options), ...preserved(fds)];
      if (isArgs(command)) return perform(driver, [...words, id, ...command], { ...options, fds });
      return withDocument(command, (path) => perform(driver, [...words, '--process', path, id], { ...options, fds }));
    },
    delete: (id, options = {}) => plain(id, ['delete', ...encode('delete', options), id], options),
    kill: (id, signal, options = {}) => plain(id, ['kill', ...encode('kill', options), id, signal], options),
    pause: (id, options) => plain(id, ['pause', id], options),
    resume: (id, options) => plain(id, ['resume', id], options),
    start: (id, options) => plain(id, ['start', id], options),
    state: async (id, options = {}) => {
      assertId(id);
      return containerFrom(await printed(driver, ['state', id], options));
    },
    list: async (options = {}) => containersFrom(await printed(driver, ['list', '--format', 'json'], options)),
    ps: async (id, options = {}) => {
      assertId(id);
      return pidsFrom(await printed(driver, ['ps', '--format', 'json', id], options));
    },
  };
}

function preserved(fds: readonly unknown[]): readonly string[] {
  return fds.length === 0 ? [] : ['--preserve-fds', String(fds.length)];
}

function isArgs(command: OciDocument | readonly string[]): command is readonly string[] {
  return Array.isArray(command);
}
