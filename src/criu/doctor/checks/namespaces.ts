import { HINTS } from '../../../errors/rules/hints.js';
import { type Finding, unless } from '../finding.js';
import type { Check, Scene } from '../scene.js';
import { NAMESPACES, type NamespaceType, type Task } from '../tree.js';

/** Types that CRIU carries only when the whole tree shares them; mnt, net and cgroup may differ inside the tree. */
const NOT_NESTED: readonly NamespaceType[] = ['pid', 'ipc', 'uts', 'user', 'time'];

/** Namespaces of the tree, its mounts, and what is bound to the host's IPC. */
export const checkNamespaces: Check = (scene) => [
  ...own(scene),
  ...scene.tree.tasks.flatMap((task) => [...nested(task, scene.tree.root), ...sysvMemory(task, scene)]),
  ...mounts(scene),
];

function own({ tree: { root, ownNamespaces } }: Scene): Finding[] {
  const types = NAMESPACES.filter((type) => differs(root.namespaces[type], ownNamespaces[type]));
  if (types.length === 0) return [];
  return [
    {
      id: 'namespaces',
      severity: 'note',
      title: `The tree has namespaces of its own: ${types.join(', ')}`,
      neededFor: 'restore',
      pid: root.pid,
    },
  ];
}

function nested({ pid, stat, namespaces }: Task, root: Task): Finding[] {
  // Unreadable ones (a zombie, a task that may not be inspected) say nothing. One finding per task: a container has them all.
  const types = NOT_NESTED.filter((type) => differs(namespaces[type], root.namespaces[type])).join(', ');
  if (types === '') return [];
  return [
    {
      id: 'nested-namespace',
      severity: 'blocks',
      title: `Process ${pid} (${stat.name}) lives in namespaces of its own (${types}), below the root of the tree`,
      neededFor: 'dump',
      remedy: `Dump from the process that owns them on: CRIU carries these (${types}) only for a whole tree`,
      pid,
    },
  ];
}

function differs(one: string | undefined, other: string | undefined): boolean {
  return one !== undefined && other !== undefined && one !== other;
}

function sysvMemory({ pid, maps, namespaces }: Task, { tree }: Scene): Finding[] {
  const segment = maps.find(({ path }) => path.startsWith('/SYSV'));
  if (segment === undefined || namespaces.ipc !== tree.ownNamespaces.ipc) return [];
  return [
    {
      id: 'sysv-shm-outside-ipcns',
      severity: 'blocks',
      title: `Process ${pid} uses System V shared memory (${segment.path} at ${segment.range}) of the host`,
      neededFor: 'dump',
      remedy: 'Start the tree in an IPC namespace of its own (unshare --ipc), or detach the segment',
      pid,
      path: segment.path,
    },
  ];
}

function mounts({ tree: { root, ownNamespaces }, options }: Scene): Finding[] {
  if (root.namespaces.mnt === ownNamespaces.mnt) return [];
  const inside = new Set(root.mounts.flatMap(({ shared }) => shared ?? []));
  const slave = root.mounts.find(({ master, point }) => master !== undefined && point !== '/' && !inside.has(master));
  return [
    ...chrooted(root),
    ...(slave === undefined
      ? []
      : [
          unless(options.enableExternalMasters, {
            id: 'mount-external-master',
            severity: 'limits',
            title: `The mount "${slave.point}" of process ${root.pid} follows one outside its mount namespace (it is a slave)`,
            neededFor: 'dump',
            remedy:
              'Pass enableExternalMasters: true (--enable-external-masters), or make it private inside (mount --make-private)',
            option: HINTS.enableExternalMasters,
            pid: root.pid,
            path: slave.point,
          }),
        ]),
    unless(options.root !== undefined, {
      id: 'root-missing',
      severity: 'note',
      title: 'The tree has a mount namespace of its own: its restore needs a root file system',
      neededFor: 'restore',
      remedy: 'Pass root (--root) on restore, a mount point that holds the files of the tree',
      option: HINTS.root,
      pid: root.pid,
    }),
  ];
}

function chrooted({ pid, root }: Task): Finding[] {
  if (root === '/') return [];
  return [
    {
      id: 'mountinfo-unreadable',
      severity: 'blocks',
      title: `Process ${pid} is chrooted to "${root}" inside its mount namespace`,
      neededFor: 'dump',
      remedy: 'Enter the root with pivot_root instead of chroot',
      pid,
      path: root,
    },
  ];
}
