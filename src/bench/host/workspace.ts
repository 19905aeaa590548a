/**
 * Where a benchmark writes: one folder for images (the destination that is measured) and one for everything else. Both carry the pid of the
 * benchmark in their names and are removed when it ends; what a killed benchmark left behind is removed by the next one.
 */
import { mkdir, mkdtemp, readdir, rm, stat, statfs } from 'node:fs/promises';
import { freemem, tmpdir } from 'node:os';
import { join } from 'node:path';
import { frazilHome } from '../../criu/locate.js';
import { CheckpointError } from '../../errors/checkpoint-error.js';
import type { Destination, Group, Scenario } from '../model.js';

export class Workspace implements AsyncDisposable {
  readonly control: string;
  readonly images: string;
  #runs = 0;

  static async create(destination: Destination): Promise<Workspace> {
    const base = await basePath(destination);
    await Promise.all([sweep(base), sweep(tmpdir())]);
    const prefix = `${PREFIX}${process.pid}-`;
    return new Workspace(await mkdtemp(join(tmpdir(), prefix)), await mkdtemp(join(base, prefix)));
  }

  private constructor(control: string, images: string) {
    this.control = control;
    this.images = images;
  }

  /** Fresh folders for one run; CRIU leaves stale files of other pids behind in a used one. */
  async open(): Promise<RunFolders> {
    return openFolders(this, String(this.#runs++));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await removeAll([this.control, this.images]);
  }
}

export interface RunFolders {
  readonly control: string;
  readonly images: string;
  /** Idempotent. */
  remove(): Promise<void>;
}

/** Makes `name` in both. */
export async function openFolders(
  { control, images }: Pick<RunFolders, 'control' | 'images'>,
  name: string,
): Promise<RunFolders> {
  const folders = { control: join(control, name), images: join(images, name) };
  for (const folder of Object.values(folders)) await mkdir(folder, { mode: 0o700 });
  return { ...folders, remove: () => removeAll(Object.values(folders)) };
}

const PREFIX = 'frazil-bench-';
const TMPFS_MAGIC = 0x01021994;
// Beside the pages: page tables, image files, Node and CRIU themselves.
const SLACK_BYTES = 256 * 1024 * 1024;

async function basePath(destination: Destination): Promise<string> {
  switch (destination.kind) {
    case 'tmpfs':
      return onTmpfs('/dev/shm', 'is not a tmpfs. Pass --dest with a directory on one', true);
    case 'disk': {
      const path = join(frazilHome(), 'bench');
      await mkdir(path, { recursive: true });
      return onTmpfs(path, 'is on a tmpfs. Pass --dest with a directory on a disk', false);
    }
    case 'path':
      await mkdir(destination.path, { recursive: true });
      return destination.path;
  }
}

async function onTmpfs(path: string, otherwise: string, wanted: boolean): Promise<string> {
  const { type } = await statfs(path);
  if ((type === TMPFS_MAGIC) === wanted) return path;
  throw new CheckpointError('IO', `Cannot use "${path}" as destination: it ${otherwise}`, { path });
}

/** Whether the scenario fits: the tree, and once more its size wherever images or absorbed pages may lie. Throws IO with current and needed sizes. */
export async function checkRoom(workspace: Workspace, { group, sizeBytes }: Scenario): Promise<void> {
  const fs = await statfs(workspace.images);
  const inMemory = fs.type === TMPFS_MAGIC;
  const needed = sizeBytes * (inMemory ? timesInMemory(group) : 2) + SLACK_BYTES;
  const available = freemem(); // MemAvailable, as libuv reads it
  if (available < needed) throw noRoom('memory', 'of memory', available, needed);
  const free = fs.bavail * fs.bsize;
  // Images, an archive of them, and what comes out of it again.
  const wanted = sizeBytes * (['archive', 'directory', 'container-export'].includes(group) ? 3 : 1) + SLACK_BYTES;
  if (free < wanted) throw noRoom(workspace.images, `in "${workspace.images}"`, free, wanted);
}

/** What warming should touch: all that a run will use at once. */
export function workingSetBytes({ group, sizeBytes }: Scenario): number {
  return sizeBytes * timesInMemory(group);
}

// The tree and its images; what dumps may absorb it once more.
function timesInMemory(group: Group): number {
  return group === 'restore' ? 2 : 3;
}

function noRoom(path: string, where: string, has: number, needed: number): CheckpointError<'IO'> {
  const mib = (bytes: number): string => `${Math.ceil(bytes / 2 ** 20)} MiB`;
  return new CheckpointError(
    'IO',
    `Cannot run the benchmark: ${mib(has)} ${where} are free, ${mib(needed)} are needed. Pass a smaller --size`,
    { path },
  );
}

async function sweep(base: string): Promise<void> {
  for (const name of await readdir(base)) {
    const owner = new RegExp(`^${PREFIX}(\\d+)-`).exec(name)?.[1];
    if (owner !== undefined && !(await isRunning(owner))) await removeAll([join(base, name)]);
  }
}

async function isRunning(pid: string): Promise<boolean> {
  return stat(`/proc/${pid}`).then(
    () => true,
    () => false,
  );
}

async function removeAll(folders: readonly string[]): Promise<void> {
  for (const folder of folders) await rm(folder, { recursive: true, force: true, maxRetries: 3 });
}
