import { HINTS } from './hints.js';
import type { Rule } from './rule.js';

/** Mount namespaces and cgroups. */
export const MOUNT_RULES: readonly Rule[] = [
  {
    id: 'mount-external-master',
    match:
      /(?:Mount (?<mount>\d+) (?<path>\S+) \(master_id: \d+ shared_id: \d+\)|Sharing group \(\d+, \d+\)) has unreachable sharing/,
    reason: 'The mount< "{path}"> follows one outside the mount namespace (it is a slave)',
    remedy:
      'Pass enableExternalMasters: true (--enable-external-masters), or make it private inside (mount --make-private)',
    option: HINTS.enableExternalMasters,
  },
  {
    id: 'mount-no-root',
    match: /(?<mount>\d+):(?<path>\S+) doesn't have a proper root mount/,
    reason: 'The mount "{path}" is a bind mount whose source is outside the mount namespace',
    remedy:
      'Declare it on dump and restore: external: ["mnt[{path}]:KEY"] (--external), or pass autoExtMount: true (--ext-mount-map auto)',
    option: HINTS.external,
  },
  {
    id: 'mount-auto-external',
    match: /Mount (?<mount>\d+):(?<path>\S+) is autodetected external mount/,
    reason: 'The mount "{path}" was found to be external while dumping',
    remedy: 'Pass autoExtMount: true (--ext-mount-map auto) on restore as well',
    option: HINTS.autoExtMount,
  },
  {
    id: 'mount-no-mapping',
    match: /No mapping for (?<mount>\d+):(?<path>\S+) mountpoint/,
    reason: 'The external mount "{path}" of the checkpoint has no source on this host',
    remedy: 'Pass external: ["mnt[KEY]:/path/on/this/host"] (--external) with the key of the dump',
    option: HINTS.external,
  },
  {
    id: 'root-missing',
    match: /The --root option is required to restore a mount namespace/,
    reason: 'The tree has a mount namespace of its own, and no root file system was given',
    remedy: 'Pass root (--root) with a mount point that holds the files of the tree',
    option: HINTS.root,
  },
  {
    id: 'root-not-mntns-root',
    match: /The root task has another root than mntns: (?<path>.+)/,
    reason: 'The root task sees "{path}" as its root, which is not the root of its mount namespace (chroot)',
    remedy: 'Enter the root with pivot_root instead of chroot',
  },
  {
    id: 'mountinfo-unreadable',
    match: /mnt: Can't parse (?<pid>\d+)'s mountinfo/,
    reason:
      'The mounts that process {pid} sees cannot be read: it is chrooted inside its mount namespace, or the namespace is broken',
    remedy: 'Enter the root with pivot_root instead of chroot',
  },
  {
    id: 'mount-unsupported-fs',
    match: /FS mnt (?<path>\S+) dev (?<device>\S+) root (?<root>\S+) unsupported(?: id \d+)?/,
    reason: 'The mount "{path}" is of a file system that CRIU does not carry',
    remedy: 'Pass enableFs (--enable-fs) with its name, declare the mount external, or unmount it',
    option: HINTS.enableFs,
  },
  {
    id: 'mount-stacked',
    match: /mnt: BUG at (?<at>criu\/mount\S*:\d+)/,
    reason: 'CRIU lost its way in the mounts of the checkpoint, as with a mount namespace that copies a whole host',
    remedy: 'Run the tree on a small root of its own (pivot_root)',
  },
  {
    id: 'cgroup-exists',
    match: /Abort restore of existing cgroups/,
    reason: 'A cgroup of the checkpoint exists already on this host',
    remedy: 'Pass manageCgroups: "soft" (--manage-cgroups=soft), or remove the cgroup',
    option: HINTS.manageCgroups,
  },
  {
    id: 'cgroup-move',
    match: /(?:cg: |cgroupd: )?Can't move (?:into|thread \d+ into) (?<path>\S+)/,
    reason: 'A task cannot be moved into the cgroup "{path}"',
    remedy:
      'Pass manageCgroups: "ignore" (--manage-cgroups=ignore) to leave cgroups alone, or cgroupRoot for another place',
    option: HINTS.manageCgroups,
  },
  {
    id: 'cgroup-set-missing',
    match: /cg: (?:cgroupd: )?No set (?:found )?(?<set>\d+)(?: found)?/,
    reason: 'The checkpoint does not hold the cgroups of its tasks',
    remedy: 'Pass manageCgroups: "soft" (--manage-cgroups=soft) on dump and restore',
    option: HINTS.manageCgroups,
  },
  {
    id: 'cgroup-failed',
    match:
      /(?:couldn't \w+ (?:\w+ )?cgroup|cg: (?:Can't make cgroup dir|Failed accessing cgroup dir|bad cgroup path:|write to cgroup\.subtree_control:)) ?(?<path>\/?\S*)/,
    reason: 'The cgroups of the tree cannot be handled on this host< ("{path}")>',
    remedy: 'Pass manageCgroups: "ignore" (--manage-cgroups=ignore), or cgroupRoot for another place',
    option: HINTS.manageCgroups,
  },
];
