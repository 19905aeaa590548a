// Checkpoints of every kind of process, for tests that look into images. Made by the plain criu.

import { mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { expect } from 'vitest';
import { type RealCriu, runCriu } from './criu-cli.js';
import { openHttp } from './http-connection.js';
import type { Need } from './needs.js';
import { openShell } from './pts.js';
import { programOf, startProgram, startTarget, type Target, targetOf, textOf } from './target.js';
import type { TempDir } from './temp-dir.js';
import { until } from './until.js';

export interface Checkpointed {
  readonly title: string;
  /** Beside a CRIU. */
  needs(criu: RealCriu): readonly Need[];
  /** Starts it in `dir`, dumps it into a folder of that, kills it, and gives back the folder. */
  make(criu: RealCriu, dir: TempDir): Promise<string>;
}

/** The files that CRIU left in an images directory, without logs. */
export function imageFiles(images: string): readonly string[] {
  return readdirSync(images).filter((name) => !name.endsWith('.log') && name !== 'parent');
}

const noNeeds = () => [];
const needsInet = (criu: RealCriu) => [criu.inet];

export const CHECKPOINTED: readonly Checkpointed[] = [
  {
    title: 'a tree with pipes, sockets, shared memory, events, locks, a ghost file, a zombie and a stopped task',
    needs: noNeeds,
    make: async (criu, dir) => {
      const control = join(dir.path, 'control');
      await using target = await startTarget('tree', [control, dir.folder('files')], { control });
      return await dumped(criu, target, dir, ['--file-locks']);
    },
  },
  {
    title: 'one mapping of each kind',
    needs: noNeeds,
    make: async (criu, dir) => {
      const control = join(dir.path, 'control');
      await using target = await startTarget('mappings', [control, dir.folder('files')], { control });
      return await dumped(criu, target, dir, []);
    },
  },
  {
    title: 'memory with threads',
    needs: noNeeds,
    make: async (criu, dir) => {
      const control = join(dir.path, 'control');
      await using target = await startTarget('memory', [control, '8', '8', '10'], { control });
      return await dumped(criu, target, dir, []);
    },
  },
  {
    title: 'namespaces with System V objects and mounts',
    needs: noNeeds,
    make: async (criu, dir) => inNamespaces(criu, dir, 'no-inet'),
  },
  {
    title: 'namespaces with a network',
    needs: needsInet,
    make: async (criu, dir) => inNamespaces(criu, dir, 'inet'),
  },
  {
    title: 'a job on the terminal of a shell',
    needs: noNeeds,
    make: async (criu, dir) => {
      const control = join(dir.path, 'control');
      await using shell = await openShell();
      await shell.shows('ready> ');
      shell.type(`${await programOf('job')} ${control}`);
      await using job = await targetOf(control);
      return await dumped(criu, job, dir, ['--shell-job']);
    },
  },
  {
    title: 'a Node server with an established connection',
    needs: needsInet,
    make: async (criu, dir) => {
      const script = new URL('./targets/http-server.mjs', import.meta.url).pathname;
      const portFile = `${dir.path}/port`;
      const started = await startProgram([process.execPath, script, portFile], () => textOf(portFile));
      await using target = started.target;
      await using client = await openHttp(Number(started.ready));
      client.send('/before');
      await client.answer();
      return await dumped(criu, target, dir, ['--tcp-established']);
    },
  },
  {
    title: 'rare things: seals, packets in flight, a sparse ghost, signals that wait, a filter, a terminal with data',
    needs: noNeeds,
    make: async (criu, dir) => rarities(criu, dir, 'no-inet'),
  },
  {
    title: 'rare things and sockets of every family',
    needs: needsInet,
    make: async (criu, dir) => rarities(criu, dir, 'inet'),
  },
  {
    title: 'a user namespace',
    needs: noNeeds,
    make: async (criu, dir) => {
      const control = join(dir.path, 'control');
      const through = ['unshare', '--user', '--map-root-user', '--uts', '--time'];
      await using target = await startTarget('memory', [control, '2', '1', '0'], { control, through });
      return await dumped(criu, target, dir, []);
    },
  },
  {
    title: 'a cgroup and the capabilities of the processor',
    needs: noNeeds,
    make: async (criu, dir) => {
      const control = join(dir.path, 'control');
      await using cgroup = freezerCgroup(basename(dir.path));
      await using target = await startTarget('memory', [control, '2', '1', '0'], { control });
      cgroup.add(target.pid);
      return await dumped(criu, target, dir, ['--manage-cgroups=full', '--cpu-cap=all']);
    },
  },
];

async function rarities(criu: RealCriu, dir: TempDir, network: 'inet' | 'no-inet'): Promise<string> {
  const control = join(dir.path, 'control');
  await using target = await startTarget('rarities', [control, dir.folder('files'), network], { control });
  expect(await target.ask('lacking')).toEqual({ lacking: [] });
  return await dumped(criu, target, dir, ['--ghost-fiemap']);
}

/** A cgroup of our own; empty when it is given back. */
function freezerCgroup(name: string): AsyncDisposable & { add(pid: number): void } {
  const path = `/sys/fs/cgroup/freezer/${name}`;
  mkdirSync(path);
  return {
    add: (pid) => writeFileSync(`${path}/cgroup.procs`, String(pid)),
    [Symbol.asyncDispose]: async () => {
      await until('the cgroup is empty', () => readFileSync(`${path}/cgroup.procs`, 'utf8') === '');
      rmdirSync(path);
    },
  };
}

async function inNamespaces(criu: RealCriu, dir: TempDir, network: 'inet' | 'no-inet'): Promise<string> {
  const root = dir.folder('root');
  await using target = await startTarget('namespaces', [root, network], { control: join(root, 'control') });
  return await dumped(criu, target, dir, ['--root', root, '--tcp-established']);
}

async function dumped(criu: RealCriu, target: Target, dir: TempDir, args: readonly string[]): Promise<string> {
  const images = dir.folder('images');
  await runCriu(criu, 'dump', images, ['-t', String(target.pid), ...args]);
  return images;
}
