// Cgroups that a runtime has made for a container and, because it was killed, not taken away. It has put CRIU into them before it asks.

import { existsSync } from 'node:fs';
import { readdir, readFile, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Cgroup, cgroupsOf } from '../find/world.js';

/** Folders of the cgroups of `criu` that are not those of `runtime`, which were there before. */
export async function ownCgroups(criu: number, runtime: number): Promise<readonly string[]> {
  const [own, before, mounts] = await Promise.all([cgroupsOf(criu), cgroupsOf(runtime), hierarchies()]);
  const known = new Set(before.map(keyOf));
  return own.flatMap((group) => {
    const mount = mounts.find(({ controllers }) => controllers === group.controllers.join(','));
    return mount === undefined || group.path === '/' || known.has(keyOf(group)) ? [] : [join(mount.path, group.path)];
  });
}

/**
 * Folders of the cgroups at `roots`, below which CRIU has been told to make those of the container, that are not those of `runtime`. crun does
 * not put CRIU into them, and knows of cgroup v2 alone, where it makes its own; CRIU makes them in every hierarchy, so there they are not yet.
 */
export async function rootedCgroups(roots: readonly CgroupRoot[], runtime: number): Promise<readonly string[]> {
  const [before, mounts] = await Promise.all([cgroupsOf(runtime), hierarchies()]);
  const known = new Set(before.map(keyOf));
  return roots.flatMap(({ ctrl, path }) =>
    mounts
      .filter(({ controllers }) => ctrl === undefined || controllers === ctrl)
      .filter(({ controllers }) => path !== '' && path !== '/' && !known.has(`${controllers}:${path}`))
      .map((mount) => ({ folder: join(mount.path, path), ofVersion2: mount.controllers === '' }))
      .flatMap(({ folder, ofVersion2 }) => (ofVersion2 || !existsSync(folder) ? [folder] : [])),
  );
}

export interface CgroupRoot {
  /** Controllers, as in /proc/PID/cgroup. Absent: of every hierarchy. */
  readonly ctrl?: string | undefined;
  readonly path: string;
}

// A task that was killed is in its group until it was reaped.
const PATIENCE_MS = 5_000;
const LOOK_AGAIN_MS = 20;

/** Removes them, with those below them, when they are empty. What stays in use is left: it is somebody's. */
export async function removeCgroups(folders: readonly string[]): Promise<void> {
  const end = performance.now() + PATIENCE_MS;
  for (const folder of folders)
    while (!(await isRemoved(folder)) && performance.now() < end) await delay(LOOK_AGAIN_MS);
}

async function isRemoved(folder: string): Promise<boolean> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  for (const entry of entries) if (entry.isDirectory()) await isRemoved(join(folder, entry.name));
  return rmdir(folder).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code === 'ENOENT',
  );
}

interface Hierarchy {
  /** As in /proc/PID/cgroup. Empty: cgroup v2. */
  readonly controllers: string;
  readonly path: string;
}

// proc_pid_mountinfo(5): root and mount point, and behind the dash type, source and options of the file system.
const MOUNT = /^\S+ \S+ \S+ \/ (?<path>\S+) .* - (?<type>cgroup2?) \S+ (?<options>\S+)$/gm;
const NO_CONTROLLERS = new Set(['rw', 'ro', 'xattr', 'clone_children', 'noprefix', 'nsdelegate']);

async function hierarchies(): Promise<readonly Hierarchy[]> {
  const text = await readFile('/proc/self/mountinfo', 'utf8');
  return [...text.matchAll(MOUNT)].map(({ groups }) => {
    const { path = '', type, options = '' } = groups ?? {};
    const named = options.split(',').filter((word) => !NO_CONTROLLERS.has(word) && !word.startsWith('release_agent='));
    return { path, controllers: type === 'cgroup2' ? '' : named.join(',') };
  });
}

function keyOf({ controllers, path }: Cgroup): string {
  return `${controllers.join(',')}:${path}`;
}
