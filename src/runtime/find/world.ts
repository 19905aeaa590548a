// What a container is made of besides its processes: bundle, root filesystem, mounts, namespaces, cgroups; and who has started it. The
// bundle was written by an engine, so of its config.json only what is used here is read, and each part is checked.

import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { CheckpointError } from '../../errors/checkpoint-error.js';
import type { Container } from '../operations.js';

export interface Mount {
  /** In the container. */
  readonly destination: string;
  readonly type: string;
  /** On the host, for a bind mount. */
  readonly source: string;
  readonly options: readonly string[];
}

export interface Namespace {
  readonly type: string;
  /** Absent: the container's own. */
  readonly path?: string;
}

export interface Cgroup {
  /** Empty: the hierarchy of cgroup v2. */
  readonly controllers: readonly string[];
  readonly path: string;
}

export type Engine = 'podman' | 'cri-o' | 'containerd' | 'docker';

export interface ContainerWorld {
  /** Absolute. */
  readonly bundle: string;
  /** Absolute. */
  readonly rootfs: string;
  readonly mounts: readonly Mount[];
  readonly namespaces: readonly Namespace[];
  /** Of its first process; empty when that is gone. */
  readonly cgroups: readonly Cgroup[];
  readonly annotations: Readonly<Record<string, string>>;
  /** Its first process has one. */
  readonly terminal: boolean;
  /** Absent: nobody that left a mark. */
  readonly engine?: Engine;
}

/** Rejects with IO when the bundle cannot be read, PROTOCOL when its config.json is none. */
export async function worldOf({ bundle, pid }: Container, root: string): Promise<ContainerWorld> {
  const config = await configOf(bundle);
  const annotations = wordsOf(config['annotations']);
  const engine = engineOf(annotations, root);
  return {
    bundle,
    rootfs: resolve(bundle, text(field(config['root'], 'path')) ?? 'rootfs'),
    mounts: listOf(config['mounts']).flatMap(mountOf),
    namespaces: listOf(field(config['linux'], 'namespaces')).flatMap(namespaceOf),
    cgroups: pid > 0 ? await cgroupsOf(pid) : [],
    annotations,
    terminal: field(config['process'], 'terminal') === true,
    ...(engine !== undefined && { engine }),
  };
}

async function configOf(bundle: string): Promise<Readonly<Record<string, unknown>>> {
  const path = join(bundle, 'config.json');
  let content: string;
  try {
    content = await readFile(path, 'utf8');
  } catch (cause) {
    const { code: errno = 'unknown', syscall = 'open' } = cause as NodeJS.ErrnoException;
    const message = `Cannot read the bundle of the container: "${path}" fails with ${errno}`;
    throw new CheckpointError('IO', message, { path, syscall, errno }, { cause });
  }
  try {
    const parsed: unknown = JSON.parse(content);
    if (typeof parsed === 'object' && parsed !== null) return parsed as Readonly<Record<string, unknown>>;
  } catch {
    // Said below: what it is instead does not matter.
  }
  throw new CheckpointError('PROTOCOL', `Cannot read "${path}": it is no JSON object`, {
    received: content.slice(0, SHOWN),
  });
}

const SHOWN = 80;

// libpod and CRI-O write io.container.manager; containerd's CRI marks what it makes, and its other users and Docker have roots of their own.
function engineOf(annotations: Readonly<Record<string, string>>, root: string): Engine | undefined {
  const manager = annotations['io.container.manager'];
  if (manager === 'libpod') return 'podman';
  if (manager === 'cri-o') return 'cri-o';
  if (root.startsWith('/run/docker/')) return 'docker';
  if (root.startsWith('/run/containerd/') || 'io.kubernetes.cri.container-type' in annotations) return 'containerd';
  return undefined;
}

function mountOf(value: unknown): readonly Mount[] {
  const destination = text(field(value, 'destination'));
  if (destination === undefined) return [];
  const options = listOf(field(value, 'options')).flatMap((option) => text(option) ?? []);
  const source = text(field(value, 'source')) ?? '';
  // The specification lets the type of a bind mount be anything.
  const bound = options.includes('bind') || options.includes('rbind');
  return [{ destination, type: bound ? 'bind' : (text(field(value, 'type')) ?? ''), source, options }];
}

function namespaceOf(value: unknown): readonly Namespace[] {
  const [type, path] = [text(field(value, 'type')), text(field(value, 'path'))];
  return type === undefined ? [] : [{ type, ...(path !== undefined && path !== '' && { path }) }];
}

/** Of a process, by hierarchy; none when it is gone. */
export async function cgroupsOf(pid: number): Promise<readonly Cgroup[]> {
  const lines = (await readFile(`/proc/${pid}/cgroup`, 'utf8').catch(() => '')).split('\n').filter(Boolean);
  return lines.map((line) => {
    const [, controllers = '', ...path] = line.split(':');
    return { controllers: controllers.split(',').filter(Boolean), path: path.join(':') };
  });
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function wordsOf(value: unknown): Readonly<Record<string, string>> {
  if (typeof value !== 'object' || value === null) return {};
  return Object.fromEntries(
    Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
}
