// What the checks look at: the tree as /proc shows it, read once before anything is frozen.

import { open } from 'node:fs/promises';
import { CheckpointError } from '../../errors/checkpoint-error.js';
import { type FileFacts, factsOf, linkOf, namesIn, textOf } from './proc-files.js';
import { type Mapping, type Mount, parseFields, parseMaps, parseMountinfo, parseStat, type Stat } from './proc-text.js';

export const NAMESPACES = ['pid', 'mnt', 'net', 'ipc', 'uts', 'user', 'cgroup', 'time'] as const;
export type NamespaceType = (typeof NAMESPACES)[number];
export type Namespaces = Readonly<Partial<Record<NamespaceType, string>>>;

export interface OpenFile {
  readonly pid: number;
  readonly fd: number;
  /** What readlink says: "/dev/null", "socket:[123]", "anon_inode:[eventpoll]", "/tmp/x (deleted)". */
  readonly link: string;
  readonly facts?: FileFacts;
  /** /proc/PID/fdinfo/FD. */
  readonly info: string;
}

export interface Task {
  readonly pid: number;
  readonly stat: Stat;
  readonly status: ReadonlyMap<string, string>;
  readonly namespaces: Namespaces;
  readonly files: readonly OpenFile[];
  readonly maps: readonly Mapping[];
  /** Facts of deleted and of mapped device files, by range. */
  readonly mappedFiles: ReadonlyMap<string, FileFacts>;
  readonly mounts: readonly Mount[];
  /** Mount of the program file; undefined when it cannot be told. */
  readonly exeMount?: number;
  readonly exe: string;
  readonly root: string;
  readonly memory: ReadonlyMap<string, string>;
}

export interface Tree {
  readonly root: Task;
  /** The root first. */
  readonly tasks: readonly Task[];
  /** Ours, which are CRIU's. */
  readonly ownNamespaces: Namespaces;
}

/** Reads a process and its descendants. Throws NO_SUCH_PROCESS when the root is not there. */
export async function readTree(pid: number): Promise<Tree> {
  const [root, ...others] = await readTasks(pid);
  if (root === undefined || root.pid !== pid) {
    throw new CheckpointError('NO_SUCH_PROCESS', `Cannot examine process ${pid}: it does not exist`, { pid });
  }
  return { root, tasks: [root, ...others], ownNamespaces: await readNamespaces('self') };
}

async function readTasks(pid: number): Promise<Task[]> {
  const task = await readTask(pid);
  if (task === undefined) return [];
  const found = [task];
  for (const tid of await namesIn(`/proc/${pid}/task`)) {
    const children = (await textOf(`/proc/${pid}/task/${tid}/children`)) ?? '';
    for (const child of children.split(' ').filter((word) => word !== ''))
      found.push(...(await readTasks(Number(child))));
  }
  return found;
}

async function readTask(pid: number): Promise<Task | undefined> {
  const at = `/proc/${pid}`;
  const namespaces = await readNamespaces(pid);
  // After the namespaces: a task that has ended before they could be read is then gone or a zombie.
  const stat = parseStat((await textOf(`${at}/stat`)) ?? '');
  if (stat === undefined) return undefined;
  const maps = parseMaps((await textOf(`${at}/maps`)) ?? '');
  const exeMount = await mountOf(`${at}/exe`);
  return {
    pid,
    stat,
    status: parseFields((await textOf(`${at}/status`)) ?? ''),
    namespaces,
    files: await readFiles(pid),
    maps,
    mappedFiles: await readMappedFiles(pid, maps),
    mounts: parseMountinfo((await textOf(`${at}/mountinfo`)) ?? ''),
    ...(exeMount === undefined ? {} : { exeMount }),
    exe: (await linkOf(`${at}/exe`)) ?? '',
    root: (await linkOf(`${at}/root`)) ?? '/',
    memory: parseFields((await textOf(`${at}/smaps_rollup`)) ?? ''),
  };
}

async function readNamespaces(pid: number | 'self'): Promise<Namespaces> {
  const found: Partial<Record<NamespaceType, string>> = {};
  for (const type of NAMESPACES) {
    const link = await linkOf(`/proc/${pid}/ns/${type}`);
    if (link !== undefined) found[type] = link;
  }
  return found;
}

async function readFiles(pid: number): Promise<OpenFile[]> {
  const files: OpenFile[] = [];
  for (const fd of (await namesIn(`/proc/${pid}/fd`)).map(Number).sort((a, b) => a - b)) {
    const link = await linkOf(`/proc/${pid}/fd/${fd}`);
    if (link === undefined) continue;
    const facts = link.startsWith('/') ? await factsOf(`/proc/${pid}/fd/${fd}`) : undefined;
    const info = (await textOf(`/proc/${pid}/fdinfo/${fd}`)) ?? '';
    files.push({ pid, fd, link, info, ...(facts === undefined ? {} : { facts }) });
  }
  return files;
}

async function readMappedFiles(pid: number, maps: readonly Mapping[]): Promise<Map<string, FileFacts>> {
  const found = new Map<string, FileFacts>();
  for (const { range, path } of maps) {
    if (!path.endsWith(' (deleted)') && !path.startsWith('/dev/')) continue;
    // maps pads addresses to eight digits, map_files does not.
    const facts = await factsOf(`/proc/${pid}/map_files/${range.replace(/(^|-)0+(?=[0-9a-f])/g, '$1')}`);
    if (facts !== undefined) found.set(range, facts);
  }
  return found;
}

/** The mount through which a magic link leads, as the kernel shows it for an fd of our own. */
async function mountOf(link: string): Promise<number | undefined> {
  const file = await open(link, 'r').catch(() => undefined);
  if (file === undefined) return undefined;
  try {
    const id = parseFields((await textOf(`/proc/self/fdinfo/${file.fd}`)) ?? '').get('mnt_id');
    return id === undefined ? undefined : Number(id);
  } finally {
    await file.close();
  }
}
