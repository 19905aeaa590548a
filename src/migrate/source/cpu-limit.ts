// The limit on the processor time of a tree: that of the cgroup in which it is alone (v1: cpu.cfs_quota_us, v2: cpu.max; cgroups(7)). A cgroup
// of ours would fit any tree, but its tasks would have to be moved into it and back, and CRIU would find them there; stopping and continuing it
// (SIGSTOP, a freezer) would be seen by it and by its parent.

import { constants } from 'node:fs';
import { access, readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { CheckpointError } from '../../errors/checkpoint-error.js';
import { mapFew } from '../../pages/few.js';

/** A file of a cgroup, and what to write into it. */
export interface Setting {
  readonly path: string;
  readonly text: string;
}

export interface CpuLimit {
  /** So many processors; infinite without a limit. */
  readonly processors: number;
  /** Gives everything back. */
  readonly original: readonly Setting[];
  /** In this order. */
  settings(processors: number): readonly Setting[];
}

// Short, so that a tree that is held up answers soon; the kernel wants at least a millisecond of quota in it.
const PERIOD_US = 20_000;
const MIN_QUOTA_US = 1000;

/** Of the tree with these tasks, root first. Rejects with FEATURE_MISSING, which names what is in the way. */
export async function cpuLimitOf(pids: readonly number[]): Promise<CpuLimit> {
  const folder = await folderOf(pids);
  const strangers = (await tasksBelow(folder)).filter((pid) => !pids.includes(pid));
  if (strangers.length > 0)
    throw refused(pids, `its cgroup "${folder}" has other processes in it, too: ${strangers.slice(0, 3).join(', ')}`);
  const max = await readFile(join(folder, 'cpu.max'), 'utf8').catch(() => undefined);
  const limit = max === undefined ? await quotaOf(folder) : maxOf(folder, max);
  if (limit === undefined)
    throw refused(
      pids,
      `its cgroup "${folder}" has neither cpu.max nor cpu.cfs_quota_us: it is the root, or without cpu`,
    );
  for (const { path } of limit.original) {
    const writable = await access(path, constants.W_OK).then(
      () => true,
      () => false,
    );
    if (!writable) throw refused(pids, `"${path}" may not be written`);
  }
  return limit;
}

function maxOf(folder: string, text: string): CpuLimit {
  const path = join(folder, 'cpu.max');
  const [quota = 'max', period = '100000'] = text.trim().split(' ');
  return {
    processors: quota === 'max' ? Number.POSITIVE_INFINITY : Number(quota) / Number(period),
    original: [{ path, text: text.trim() }],
    settings: (processors) => [{ path, text: `${quotaFor(processors)} ${PERIOD_US}` }],
  };
}

async function quotaOf(folder: string): Promise<CpuLimit | undefined> {
  const [quotaPath, periodPath] = [join(folder, 'cpu.cfs_quota_us'), join(folder, 'cpu.cfs_period_us')];
  const texts = await Promise.all([quotaPath, periodPath].map((path) => readFile(path, 'utf8'))).catch(() => undefined);
  if (texts === undefined) return undefined;
  const [quota = '', period = ''] = texts.map((text) => text.trim());
  return {
    processors: Number(quota) < 0 ? Number.POSITIVE_INFINITY : Number(quota) / Number(period),
    original: [
      { path: periodPath, text: period },
      { path: quotaPath, text: quota },
    ],
    settings: (processors) => [
      { path: periodPath, text: String(PERIOD_US) },
      { path: quotaPath, text: String(quotaFor(processors)) },
    ],
  };
}

function quotaFor(processors: number): number {
  return Math.max(MIN_QUOTA_US, Math.round(processors * PERIOD_US));
}

/** The lowest folder below which all tasks are. */
async function folderOf(pids: readonly number[]): Promise<string> {
  const texts = await mapFew(pids, (pid) => readFile(`/proc/${pid}/cgroup`, 'utf8').catch(() => ''));
  // One that has ended is nowhere.
  const groups = texts.filter((text) => text !== '').map(cpuGroupOf);
  const [first] = groups;
  const mounts = first === undefined ? [] : parseMounts(await readFile('/proc/self/mountinfo', 'utf8'), first.version);
  const path = commonOf(groups.map((group) => group.path));
  const mount = mounts.find(({ root }) => !relative(root, path).startsWith('..'));
  if (mount === undefined) throw refused(pids, 'no cgroups with the cpu controller are mounted here');
  return join(mount.at, relative(mount.root, path));
}

export interface CpuGroup {
  readonly version: 1 | 2;
  readonly path: string;
}

/** Of /proc/PID/cgroup: where the cpu controller has a hierarchy of its own that counts, else the common one. */
export function cpuGroupOf(text: string): CpuGroup {
  const lines = text.split('\n').map((line) => /^\d+:(?<controllers>[^:]*):(?<path>.*)$/.exec(line)?.groups);
  const own = lines.find((groups) => groups?.['controllers']?.split(',').includes('cpu') === true);
  if (own !== undefined) return { version: 1, path: own['path'] ?? '/' };
  return { version: 2, path: lines.find((groups) => groups?.['controllers'] === '')?.['path'] ?? '/' };
}

/** proc(5), /proc/PID/mountinfo: where cgroups with the cpu controller are mounted, and from which of them on. */
export function parseMounts(text: string, version: 1 | 2): readonly { readonly root: string; readonly at: string }[] {
  return text.split('\n').flatMap((line) => {
    const [before = '', after = ''] = line.split(' - ');
    const [, , , root = '/', at = ''] = before.split(' ');
    const [type, , options = ''] = after.split(' ');
    const fits = version === 2 ? type === 'cgroup2' : type === 'cgroup' && options.split(',').includes('cpu');
    return fits ? [{ root, at }] : [];
  });
}

/** The longest path that all of `paths` begin with. */
export function commonOf(paths: readonly string[]): string {
  const [first = [], ...others] = paths.map((path) => path.split('/').filter(Boolean));
  const end = first.findIndex((name, i) => others.some((other) => other[i] !== name));
  return `/${(end === -1 ? first : first.slice(0, end)).join('/')}`;
}

async function tasksBelow(folder: string): Promise<readonly number[]> {
  const own = (await readFile(join(folder, 'cgroup.procs'), 'utf8').catch(() => '')).split('\n').filter(Boolean);
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => join(folder, name));
  return [...own.map(Number), ...(await mapFew(folders, tasksBelow)).flat()];
}

function refused([pid]: readonly number[], why: string): CheckpointError<'FEATURE_MISSING'> {
  const message = `Cannot migrate process ${pid} with a throttle: ${why}. Start the tree in a cgroup of its own, such as "systemd-run --scope" and containers make, or leave the throttle out`;
  return new CheckpointError('FEATURE_MISSING', message, { feature: 'throttle', option: 'throttle' });
}
