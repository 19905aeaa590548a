// A container out of an archive, into a bundle: its config.json, what it had changed in its root filesystem and volumes, and its processes by
// the runtime's restore.

import { access, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { Archive } from '../../archive/archive.js';
import { extractArchive } from '../../archive/lazily.js';
import { readDeletedFiles, readSpec } from '../../archive/metadata/files.js';
import { DELETED_FILES_FILE, ROOTFS_DIFF_TAR } from '../../archive/metadata/names.js';
import type { WalkProgress } from '../../archive/read/walk.js';
import { type Operation, operation, type Work } from '../../criu/operation.js';
import { openScratch } from '../../images/scratch.js';
import { failAt, isThere } from '../bundle-place.js';
import { type ContainersCall, containers } from '../containers.js';
import { assertId, checkpointOperations } from '../operations.js';
import type { RestoreOptions } from '../options.js';
import { removeFrom, unpackTree } from './tree.js';

export interface ContainerRestoreCall
  extends Omit<RestoreOptions, 'imagesDirectory' | 'workDirectory' | 'bundle' | 'lazyPages' | 'autoDedup'>,
    Pick<ContainersCall, 'runtime' | 'path' | 'root' | 'criu' | 'systemdCgroup'> {
  /** Made when it is not there. A config.json that is there is taken as it is; else it is the archive's, with `rootfs`. */
  readonly bundle: string;
  /** The image's files, over which the container's changes go. Default: `rootfs` in the bundle. */
  readonly rootfs?: string;
  /** Where the archive's volumes go. Those that are not named stay in it. */
  readonly volumes?: ReadonlyArray<{ readonly name: string; readonly path: string }>;
}

export interface ContainerRestoreReport {
  readonly id: string;
  /** Of the container's process, when it was waited for; 0 when it was detached. */
  readonly status: number;
  readonly bundle: string;
  readonly rootfs: string;
}

/**
 * Rejects as extractArchive() and restore() of the runtime do, and with IO when there is no root filesystem. Then there is no container;
 * a config.json that was made is gone; files that had been put into `rootfs` and volumes stay.
 */
export function restoreContainer(
  from: Archive,
  id: string,
  call: ContainerRestoreCall,
): Operation<WalkProgress, ContainerRestoreReport> {
  assertId(id);
  return operation(call.signal, async (work) => {
    const { runtime, path, root, criu, systemdCgroup } = call;
    const chosen = defined({ runtime, path, root, criu, systemdCgroup });
    const able = checkpointOperations(await containers(chosen));
    await using scratch = await openScratch('container');
    const content = join(scratch.path, 'content');
    await unpack(from, content, work);
    const place = await bundleOf(call, content);
    try {
      await putBack(call, place, content);
      const { status } = await able.restore(id, {
        ...restoreOptions(call),
        bundle: place.bundle,
        imagesDirectory: join(content, 'checkpoint'),
        workDirectory: place.bundle,
        signal: work.signal,
      });
      return { id, status, bundle: place.bundle, rootfs: place.rootfs };
    } catch (error) {
      if (place.made) await rm(join(place.bundle, 'config.json'), { force: true });
      throw error;
    }
  });
}

async function unpack(from: Archive, content: string, work: Work<WalkProgress>): Promise<void> {
  const run = extractArchive(from, content, { signal: work.signal });
  for await (const progress of run) work.emit(progress);
  await run.done;
}

interface BundlePlace {
  readonly bundle: string;
  readonly rootfs: string;
}

interface Made extends BundlePlace {
  /** Whether config.json is ours. */
  readonly made: boolean;
}

async function bundleOf(call: ContainerRestoreCall, content: string): Promise<Made> {
  const bundle = resolve(call.bundle);
  const config = join(bundle, 'config.json');
  await mkdir(bundle, { recursive: true, mode: 0o700 }).catch(failAt(bundle));
  const there = await readFile(config, 'utf8').catch(() => undefined);
  if (there !== undefined) {
    const rootfs = resolve(bundle, call.rootfs ?? rootIn(there) ?? 'rootfs');
    await assertRoot(rootfs);
    return { bundle, rootfs, made: false };
  }
  const rootfs = resolve(bundle, call.rootfs ?? 'rootfs');
  await assertRoot(rootfs);
  const spec = await readSpec(content);
  const root = typeof spec['root'] === 'object' ? spec['root'] : {};
  await writeFile(config, JSON.stringify({ ...spec, root: { ...root, path: rootfs } }), { mode: 0o600 }).catch(
    failAt(config),
  );
  return { bundle, rootfs, made: true };
}

// What is wrong with a config.json its runtime says.
function rootIn(config: string): string | undefined {
  return /"root"\s*:\s*\{[^}]*"path"\s*:\s*"((?:[^"\\]|\\.)*)"/.exec(config)?.[1];
}

async function assertRoot(rootfs: string): Promise<void> {
  await access(rootfs).catch(failAt(rootfs));
}

// First what was added and changed, then what was removed: as Podman does.
async function putBack(call: ContainerRestoreCall, { rootfs }: BundlePlace, content: string): Promise<void> {
  const diff = join(content, ROOTFS_DIFF_TAR);
  if (await isThere(diff)) await unpackTree(diff, rootfs);
  const deleted = join(content, DELETED_FILES_FILE);
  if (await isThere(deleted)) await removeFrom(rootfs, await readDeletedFiles(dirname(deleted)), deleted);
  for (const { name, path } of call.volumes ?? []) {
    const volume = join(content, 'volumes', `${name}.tar`);
    await mkdir(path, { recursive: true }).catch(failAt(path));
    await unpackTree(volume, resolve(path));
  }
}

function restoreOptions(call: ContainerRestoreCall): Omit<RestoreOptions, 'imagesDirectory' | 'bundle'> {
  const { bundle: _bundle, rootfs: _rootfs, volumes: _volumes, runtime: _runtime, path: _path, ...rest } = call;
  const { root: _root, criu: _criu, systemdCgroup: _systemd, ...options } = rest;
  return options;
}

function defined<T extends object>(values: T): { [K in keyof T]?: NonNullable<T[K]> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: NonNullable<T[K]>;
  };
}
