// A container out of an archive, into a bundle: its config.json, what it had changed in its root filesystem and volumes, and its processes by
// the runtime's restore. Or out of an images directory, which has the processes alone, into a bundle that is there.

import { access, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { Archive } from '../../archive/archive.js';
import { readDeletedFiles, readSpec } from '../../archive/metadata/files.js';
import { DELETED_FILES_FILE, ROOTFS_DIFF_TAR } from '../../archive/metadata/names.js';
import type { WalkProgress } from '../../archive/read/walk.js';
import type { Filling, LazyOptions } from '../../criu/lazy/options.js';
import { type Operation, operation } from '../../criu/operation.js';
import type { RestoreProgress } from '../../criu/restore-plan.js';
import type { ImagesDirectory } from '../../criu/target.js';
import { CheckpointError } from '../../errors/checkpoint-error.js';
import { failAt, isThere } from '../bundle-place.js';
import { type ContainersCall, containers } from '../containers.js';
import { assertId, checkpointOperations } from '../operations.js';
import type { RestoreOptions } from '../options.js';
import { restoreLazily } from '../restore-lazily.js';
import { contentOf } from './content.js';
import { removeFrom, unpackTree } from './tree.js';

export type ContainerRestoreProgress = WalkProgress | RestoreProgress;

export interface ContainerRestoreCall
  extends Omit<RestoreOptions, 'imagesDirectory' | 'workDirectory' | 'bundle' | 'lazyPages' | 'autoDedup'>,
    Pick<ContainersCall, 'runtime' | 'path' | 'root' | 'criu' | 'systemdCgroup'> {
  /** Made when it is not there. A config.json that is there is taken as it is; else it is the archive's, with `rootfs`. */
  readonly bundle: string;
  /** The image's files, over which the container's changes go. Default: `rootfs` in the bundle. */
  readonly rootfs?: string;
  /** Where the archive's volumes go. Those that are not named stay in it. */
  readonly volumes?: ReadonlyArray<{ readonly name: string; readonly path: string }>;
  /** Lets the container run first and fills its memory behind it: the report has the `filling`. With `detach`. */
  readonly lazy?: boolean | LazyOptions;
}

export interface ContainerRestoreReport {
  readonly id: string;
  /** Of the container's process, when it was waited for; 0 when it was detached. */
  readonly status: number;
  readonly bundle: string;
  readonly rootfs: string;
  /** The fill of its memory, when it was restored with `lazy`. */
  readonly filling?: Filling;
}

/**
 * Rejects as extractArchive() and restore() of the runtime do, and with IO when there is no root filesystem. Then there is no container;
 * a config.json that was made is gone; files that had been put into `rootfs` and volumes stay.
 */
export function restoreContainer(
  from: Archive | ImagesDirectory,
  id: string,
  call: ContainerRestoreCall,
): Operation<ContainerRestoreProgress, ContainerRestoreReport> {
  assertId(id);
  const lazy = lazyOptions(call);
  return operation(call.signal, async (work) => {
    const { runtime, path, root, criu, systemdCgroup } = call;
    const chosen = defined({ runtime, path, root, criu, systemdCgroup });
    const able = checkpointOperations(await containers(chosen));
    await using content = await contentOf(from, lazy !== undefined, work);
    const place = await bundleOf(call, content.root);
    try {
      if (content.root !== undefined) await putBack(call, place, content.root);
      const options = {
        ...restoreOptions(call),
        bundle: place.bundle,
        imagesDirectory: content.images,
        workDirectory: place.bundle,
      };
      const report = { id, bundle: place.bundle, rootfs: place.rootfs };
      if (lazy === undefined)
        return { ...report, status: (await able.restore(id, { ...options, signal: work.signal })).status };
      const { pages } = content;
      const named = from.kind === 'archive' ? from.name : from.path;
      const filling = await restoreLazily({ id, call: chosen, options, lazy, named, pages }, work);
      return { ...report, status: 0, filling };
    } catch (error) {
      if (place.made) await rm(join(place.bundle, 'config.json'), { force: true });
      throw error;
    }
  });
}

function lazyOptions({ lazy = false, detach }: ContainerRestoreCall): LazyOptions | undefined {
  if (lazy === false) return undefined;
  if (detach !== true) throw new RangeError('Cannot restore a container lazily in the foreground: give detach');
  return lazy === true ? {} : lazy;
}

interface BundlePlace {
  readonly bundle: string;
  readonly rootfs: string;
}

interface Made extends BundlePlace {
  /** Whether config.json is ours. */
  readonly made: boolean;
}

async function bundleOf(call: ContainerRestoreCall, content: string | undefined): Promise<Made> {
  const bundle = resolve(call.bundle);
  const config = join(bundle, 'config.json');
  await mkdir(bundle, { recursive: true, mode: 0o700 }).catch(failAt(bundle));
  const there = await readFile(config, 'utf8').catch(() => undefined);
  if (there !== undefined) {
    const rootfs = resolve(bundle, call.rootfs ?? rootIn(there) ?? 'rootfs');
    await assertRoot(rootfs);
    return { bundle, rootfs, made: false };
  }
  if (content === undefined) throw noConfig(config);
  const rootfs = resolve(bundle, call.rootfs ?? 'rootfs');
  await assertRoot(rootfs);
  const spec = await readSpec(content);
  const root = typeof spec['root'] === 'object' ? spec['root'] : {};
  await writeFile(config, JSON.stringify({ ...spec, root: { ...root, path: rootfs } }), { mode: 0o600 }).catch(
    failAt(config),
  );
  return { bundle, rootfs, made: true };
}

function noConfig(path: string): CheckpointError<'IO'> {
  const message = `Cannot restore a container from an images directory: "${path}" is missing, and is not among images`;
  return new CheckpointError('IO', message, { path, syscall: 'open', errno: 'ENOENT' });
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
