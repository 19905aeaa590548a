// Where runtimes and the engines above them keep the state of containers. Facts of runc, crun, Podman, containerd, Docker and CRI-O; a
// folder of a root is one container, told from others by the file of its runtime's state.

import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { CRUN } from '../runtimes/crun.js';
import { RUNC } from '../runtimes/runc.js';

export type RuntimeName = 'runc' | 'crun';

/** A container that has a state somewhere: what can be said without asking its runtime. */
export interface Place {
  readonly id: string;
  readonly runtime: RuntimeName;
  /** The runtime's --root. */
  readonly root: string;
}

interface Root {
  readonly path: string;
  /** One root for each folder in it: containerd's and Docker's namespaces. */
  readonly each?: boolean;
}

const ROOTS: readonly Root[] = [
  // runc and crun by themselves, and below Podman and CRI-O.
  { path: RUNC.defaultRoot },
  { path: CRUN.defaultRoot },
  { path: '/run/containerd/runc', each: true },
  { path: '/run/docker/runtime-runc', each: true },
];
/** runc's and crun's, below XDG_RUNTIME_DIR, where there is no root. */
const ROOTLESS = ['runc', 'crun'] as const;

/** The roots of this host, also those that are not there. */
export async function knownRoots(
  env: Readonly<Record<string, string | undefined>> = process.env,
): Promise<readonly string[]> {
  const roots = ROOTS.map(async ({ path, each }) => (each === true ? foldersOf(path) : [path]));
  const own = env['XDG_RUNTIME_DIR'];
  const rootless = own?.startsWith('/') === true ? ROOTLESS.map((name) => join(own, name)) : [];
  return [...(await Promise.all(roots)).flat(), ...rootless];
}

/** Every container with a state in one of the roots. */
export async function placesIn(roots: readonly string[]): Promise<readonly Place[]> {
  const found = roots.map(async (root) => {
    const folders = await foldersOf(root);
    return folders.flatMap((folder): readonly Place[] => {
      const runtime = [RUNC, CRUN].find(({ stateFile }) => existsSync(join(folder, stateFile)));
      return runtime === undefined
        ? []
        : [{ id: folder.slice(root.length + 1), runtime: runtimeOf(runtime.name), root }];
    });
  });
  return (await Promise.all(found)).flat();
}

function runtimeOf(name: string): RuntimeName {
  return name === CRUN.name ? 'crun' : 'runc';
}

// A root that is not there, or not ours to read, has no containers for us.
async function foldersOf(path: string): Promise<readonly string[]> {
  const entries = await readdir(path, { withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => join(path, name));
}
