// The files that a tree has mapped or open, and the folders that it stands in: CRIU opens them by their names when it restores, and
// refuses a regular file of another size (criu/files-reg.c, open_path()).

import { readdir, readFile, readlink, stat } from 'node:fs/promises';
import { mapFew } from '../../pages/few.js';
import { MAX_FILES, type NeededFile } from '../wire/facts.js';

/**
 * Those of tasks in our mount namespace: others bring their mounts along. What has no name, or is of the kernel (/proc, /sys) or a
 * device, CRIU has other ways for. No more than a message holds; what is left out the restore finds out.
 */
export async function neededFiles(pids: readonly number[]): Promise<readonly NeededFile[]> {
  const here = await readlink('/proc/self/ns/mnt');
  const uses = (await mapFew(pids, (pid) => usesOf(pid, here))).flat();
  const changing = new Set(uses.flatMap(({ path, writes }) => (writes ? [path] : [])));
  const paths = [...new Set(uses.map(({ path }) => path))].filter((path) => !OF_THE_KERNEL.test(path));
  const files = await mapFew(paths.slice(0, MAX_FILES), (path) => fileAt(path, changing.has(path)));
  return files.filter((file) => file !== undefined);
}

const OF_THE_KERNEL = /^\/(proc|sys)\//;

interface Use {
  readonly path: string;
  readonly writes: boolean;
}

async function usesOf(pid: number, here: string): Promise<readonly Use[]> {
  // One that has ended needs nothing.
  if ((await readlink(`/proc/${pid}/ns/mnt`).catch(() => '')) !== here) return [];
  const [mapped, opened, folders] = await Promise.all([mappedBy(pid), openedBy(pid), foldersOf(pid)]);
  return [...mapped, ...opened, ...folders];
}

// proc(5), /proc/PID/maps: addresses, rights, offset, device, inode, path; one that is deleted says so behind its path.
const MAPPED = /^\S+ \S+ \S+ \S+ [1-9]\d* +(?<path>\/.*)$/gm;

async function mappedBy(pid: number): Promise<Use[]> {
  const maps = await readFile(`/proc/${pid}/maps`, 'utf8').catch(() => '');
  return [...maps.matchAll(MAPPED)].map(({ groups }) => ({ path: groups?.['path'] ?? '', writes: false }));
}

async function openedBy(pid: number): Promise<Use[]> {
  const fds = await readdir(`/proc/${pid}/fd`).catch(() => []);
  const uses = await mapFew(fds, async (fd) => {
    const path = await readlink(`/proc/${pid}/fd/${fd}`).catch(() => '');
    if (!path.startsWith('/')) return undefined;
    const info = await readFile(`/proc/${pid}/fdinfo/${fd}`, 'utf8').catch(() => '');
    // In octal; the last two bits are the access mode, 0 is O_RDONLY.
    const flags = /^flags:\s+\d*(\d)$/m.exec(info)?.[1];
    return { path, writes: Number(flags ?? 0) % 4 !== 0 };
  });
  return uses.filter((use) => use !== undefined);
}

async function foldersOf(pid: number): Promise<Use[]> {
  const links = await Promise.all(['cwd', 'root'].map((name) => readlink(`/proc/${pid}/${name}`).catch(() => '')));
  return links.filter((path) => path.startsWith('/')).map((path) => ({ path, writes: false }));
}

// A file that the tree writes has another size by the time that it stands still.
async function fileAt(path: string, changing: boolean): Promise<NeededFile | undefined> {
  const status = await stat(path).catch(() => undefined);
  if (status?.isDirectory() === true) return { path, kind: 'directory', size: undefined };
  if (status?.isFIFO() === true) return { path, kind: 'fifo', size: undefined };
  if (status?.isFile() === true) return { path, kind: 'file', size: changing ? undefined : status.size };
  return undefined;
}
