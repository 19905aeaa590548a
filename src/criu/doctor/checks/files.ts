import { HINTS } from '../../../errors/rules/hints.js';
import { type Finding, unless } from '../finding.js';
import type { FileFacts } from '../proc-files.js';
import { type Mount, valuesOf } from '../proc-text.js';
import type { Check, Scene } from '../scene.js';
import type { OpenFile, Task } from '../tree.js';

/** CRIU's default for ghost-limit: 1 MiB of allocated blocks. */
export const DEFAULT_GHOST_LIMIT = 1024 * 1024;
const DELETED = ' (deleted)';
/** Names of memory that has no file: CRIU carries their contents as memory. */
const NOT_A_FILE = /^\/(?:memfd:|SYSV|dev\/zero|anon_hugepage|\[aio\]|secretmem|dmabuf:|i915)/;

/** Open and mapped files: deleted ones, locks, devices, mounts that cannot be seen. */
export const checkFiles: Check = (scene) =>
  scene.tree.tasks.flatMap((task) => [
    ...task.files.flatMap((file) => [
      ...deleted(openAt(file), scene),
      ...locked(file, scene),
      ...device(file, task, scene),
      ...unreachable(file, task, scene),
    ]),
    ...mappedDeleted(task, scene),
    ...foreignProgram(task),
  ]);

interface Held {
  readonly pid: number;
  readonly fd?: number;
  readonly link: string;
  readonly facts?: FileFacts | undefined;
}

function openAt({ pid, fd, link, facts }: OpenFile): Held {
  return { pid, fd, link, ...(facts === undefined ? {} : { facts }) };
}

/** One finding per file, however many mappings it has. */
function mappedDeleted({ pid, maps, mappedFiles }: Task, scene: Scene): Finding[] {
  const byInode = new Map<number, Held>();
  for (const { range, path } of maps) {
    const facts = mappedFiles.get(range);
    if (facts !== undefined) byInode.set(facts.inode, { pid, link: path, facts });
  }
  return [...byInode.values()].flatMap((held) => deleted(held, scene));
}

function deleted({ pid, fd, link, facts }: Held, { options }: Scene): Finding[] {
  if (facts?.kind !== 'file' || !link.endsWith(DELETED) || NOT_A_FILE.test(link)) return [];
  const path = link.slice(0, -DELETED.length);
  const place = { pid, path, neededFor: 'dump', ...(fd === undefined ? {} : { fd }) };
  const holds = `Process ${pid} ${fd === undefined ? 'maps' : `holds on fd ${fd}`}`;
  if (facts.links > 0) {
    return [
      unless(options.linkRemap, {
        ...place,
        id: 'link-remap',
        severity: 'blocks',
        title: `${holds} the file "${path}" under a name that was deleted while other hard links exist`,
        remedy: 'Pass linkRemap: true (--link-remap), or close the file before the dump',
        option: HINTS.linkRemap,
      }),
    ];
  }
  const limit = options.ghostLimit ?? DEFAULT_GHOST_LIMIT;
  if (facts.allocatedBytes <= DEFAULT_GHOST_LIMIT) return [];
  return [
    unless(facts.allocatedBytes <= limit, {
      ...place,
      id: 'ghost-too-big',
      severity: 'blocks',
      title: `${holds} the deleted file "${path}" of ${facts.allocatedBytes} bytes, more than the ghost limit (${limit})`,
      remedy: `Pass a ghostLimit (--ghost-limit) of at least ${facts.allocatedBytes}, or close the file before the dump`,
      option: HINTS.ghostLimit,
    }),
  ];
}

function locked({ pid, fd, link, info }: OpenFile, { options }: Scene): Finding[] {
  const [lock] = valuesOf(info, 'lock');
  if (lock === undefined) return [];
  const type = lock.split(/\s+/)[1] ?? 'file';
  return [
    unless(options.fileLocks, {
      id: 'file-locks',
      severity: 'blocks',
      title: `Process ${pid} holds a ${type} lock on fd ${fd} ("${link}")`,
      neededFor: 'dump',
      remedy: 'Pass fileLocks: true (--file-locks) on dump and restore, or release the lock before the dump',
      option: HINTS.fileLocks,
      pid,
      fd,
      path: link,
    }),
  ];
}

// linux/major.h. Memory devices (null, zero, random, ...) and terminals are carried.
const MAJOR = { MEM: 1, TTY: 4, TTYAUX: 5, MISC: 10, UNIX98_FIRST: 136, UNIX98_LAST: 143 };
const MISC_MINOR = { TUN: 200, AUTOFS: 235 };

function device({ pid, fd, link, facts }: OpenFile, task: Task, { tree }: Scene): Finding[] {
  if (facts?.kind !== 'character' && facts?.kind !== 'block') return [];
  const { major, minor } = facts;
  const carried =
    major === MAJOR.MEM ||
    major === MAJOR.TTY ||
    major === MAJOR.TTYAUX ||
    (major >= MAJOR.UNIX98_FIRST && major <= MAJOR.UNIX98_LAST);
  if ((facts.kind === 'character' && carried) || (major === MAJOR.MISC && minor === MISC_MINOR.AUTOFS)) return [];
  const tun = major === MAJOR.MISC && minor === MISC_MINOR.TUN;
  if (tun && task.namespaces.net !== tree.ownNamespaces.net) return [];
  return [
    {
      id: tun ? 'tun-outside-netns' : 'file-type-device',
      severity: 'blocks',
      title: `Process ${pid} holds on fd ${fd} the device ${link} (${major}:${minor})${tun ? ' of the host network' : ''}`,
      neededFor: 'dump',
      remedy: tun
        ? 'Start the tree in a network namespace of its own, or close the device'
        : 'Close the device before the dump, or use a CRIU plugin for it',
      pid,
      fd,
      path: link,
    },
  ];
}

function unreachable({ pid, fd, link, info }: OpenFile, { mounts }: Task, { options }: Scene): Finding[] {
  const id = Number(/^mnt_id:\s*(\d+)$/m.exec(info)?.[1]);
  if (!link.startsWith('/') || /^\/(?:memfd:|dmabuf:)/.test(link) || Number.isNaN(id) || mounts.length === 0) return [];
  const mount = mounts.find((each) => each.id === id);
  const place = { pid, fd, path: link, neededFor: 'dump', severity: 'blocks' } as const;
  if (mount === undefined) {
    const declared = (options.external ?? []).some((each) => each.startsWith('file['));
    return [
      unless(declared, {
        ...place,
        id: 'file-mount-unknown',
        title: `Process ${pid} holds on fd ${fd} "${link}" from a mount (${id}) that is not in its mount namespace`,
        remedy: 'Close it before the dump, or declare it: external: ["file[MNT:INODE]"]',
        option: HINTS.external,
      }),
    ];
  }
  if (!isCovered(mount, mounts)) return [];
  return [
    {
      ...place,
      id: 'file-overmounted',
      title: `Process ${pid} holds on fd ${fd} "${link}" on the mount ${mount.point}, which another mount covers`,
      remedy: 'Unmount the cover, or close the file before the dump',
    },
  ];
}

function isCovered({ id, point }: Mount, mounts: readonly Mount[]): boolean {
  return mounts.some((each) => each.parent === id && each.id !== id && each.point === point);
}

/** unshare(CLONE_NEWNS) copies the mounts but leaves the running program on the old one. */
function foreignProgram({ pid, exe, exeMount, mounts }: Task): Finding[] {
  if (exeMount === undefined || NOT_A_FILE.test(exe) || mounts.length === 0 || mounts.some(({ id }) => id === exeMount))
    return [];
  return [
    {
      id: 'mapping-mount-unknown',
      severity: 'blocks',
      title: `Process ${pid} runs "${exe}" from a mount (${exeMount}) that is not in its mount namespace`,
      neededFor: 'dump',
      remedy: 'Start the program again inside the namespace, so that exec finds it there',
      pid,
      path: exe,
    },
  ];
}
