// Options about the tree itself: what becomes of it, its terminal, files, cgroups and namespaces.

import { cpuCapabilities } from '../cpu-capabilities.js';
import { rpc } from '../row.js';
import type { CgroupsMode, CpuCapability } from '../types.js';
import { cgroupRoot, choice, flag, inheritedFd, integer, joinNamespace, list, size, text } from '../values.js';

const DUMP_AND_RESTORE = ['dump', 'restore'] as const;
const SECONDS_MAX = 2 ** 31 - 1;
const CLONE_NEWNET = 0x40000000;
const CPU_CAPABILITY_BITS: Readonly<Record<CpuCapability, number>> = { fpu: 1, cpu: 2, ins: 4, image: 8 };
const CGROUP_MODES = {
  ignore: 'IGNORE',
  none: 'CG_NONE',
  props: 'PROPS',
  soft: 'SOFT',
  full: 'FULL',
  strict: 'STRICT',
  default: 'DEFAULT',
} as const satisfies Record<CgroupsMode, string>;
const CGROUPS_MODE = choice(['ignore', 'none', 'props', 'soft', 'full', 'strict', 'default'], 'soft');

export const TREE = {
  leaveRunning: rpc('leave_running', {
    flags: ['--leave-running', '-R'],
    type: flag,
    default: 'the tree is killed',
    text: 'Leave the tree running after the dump',
    operations: ['dump'],
  }),
  leaveStopped: rpc('leave_stopped', {
    flags: ['--leave-stopped', '-s'],
    type: flag,
    default: 'killed after a dump, running after a restore',
    text: 'Leave the tree stopped',
    operations: DUMP_AND_RESTORE,
    quirk: 'wins over leaveRunning',
  }),
  shellJob: rpc('shell_job', {
    flags: ['--shell-job', '-j'],
    type: flag,
    default: 'a tree attached to a terminal from outside is refused',
    text: 'Allow a tree that belongs to a shell: its session leader or terminal is outside',
    operations: DUMP_AND_RESTORE,
    quirk: "must be the same on restore; the restored root takes CRIU's session and terminal",
  }),
  fileLocks: rpc('file_locks', {
    flags: ['--file-locks', '-l'],
    type: flag,
    default: 'a tree that holds file locks is refused',
    text: 'Dump and restore file locks',
    operations: DUMP_AND_RESTORE,
  }),
  evasiveDevices: rpc('evasive_devices', {
    flags: ['--evasive-devices'],
    type: flag,
    default: 'off',
    text: 'Use any path to a device file if the original one is inaccessible',
    operations: ['restore'],
  }),
  linkRemap: rpc('link_remap', {
    flags: ['--link-remap'],
    type: flag,
    default: 'such a file is refused',
    text: 'Link files back that are open and unlinked but have other names',
    operations: ['dump'],
    quirk: 'creates link_remap.* files beside them, which a failed dump may leave behind',
  }),
  ghostLimit: rpc('ghost_limit', {
    flags: ['--ghost-limit'],
    type: size,
    default: '1M',
    text: 'Largest deleted file that is carried in the images, counted in blocks',
    operations: ['dump'],
  }),
  forceIrmap: rpc('force_irmap', {
    flags: ['--force-irmap'],
    type: flag,
    default: 'off',
    text: 'Find the paths of inotify and fanotify watches by scanning',
    operations: ['dump', 'preDump'],
  }),
  irmapScanPath: rpc('irmap_scan_paths', {
    flags: ['--irmap-scan-path'],
    type: list(text('PATH')),
    default: 'none',
    text: 'A path to scan for watches',
    operations: ['dump', 'preDump'],
  }),
  timeoutSeconds: rpc('timeout', {
    flags: ['--timeout'],
    type: integer('SECONDS', 0, SECONDS_MAX),
    default: '10',
    text: 'How long freezing and collecting the tree may take',
    operations: ['dump', 'preDump'],
    quirk: '0 sets no alarm, but a cgroup freezer still gives up after 10 seconds',
  }),
  freezeCgroup: rpc('freeze_cgroup', {
    flags: ['--freeze-cgroup'],
    type: text('PATH'),
    default: 'tasks are stopped one by one',
    text: 'Freeze this cgroup to collect the tree',
    operations: ['dump', 'preDump'],
    quirk: 'stops everything in the cgroup, also what is not in the tree',
  }),
  cpuCap: rpc('cpu_cap', {
    flags: ['--cpu-cap'],
    type: cpuCapabilities,
    default: 'fpu, ins',
    text: 'CPU capabilities to record on dump and to demand on restore',
    operations: ['dump', 'restore', 'cpuinfo'],
    quirk: 'CRIU adds "image" whenever the option is given, so cpuinfo.img is written and read',
    encode: (capabilities) => capabilities.reduce((bits, one) => bits | CPU_CAPABILITY_BITS[one], 0),
  }),
  manageCgroups: rpc('manage_cgroups_mode', {
    flags: ['--manage-cgroups'],
    type: CGROUPS_MODE,
    default: 'soft',
    text: 'What to do about cgroups and their properties',
    operations: DUMP_AND_RESTORE,
    encode: (mode: CgroupsMode) => CGROUP_MODES[mode],
  }),
  cgroupRoot: rpc('cg_root', {
    flags: ['--cgroup-root'],
    type: list(cgroupRoot),
    default: 'none',
    text: 'Another root for the cgroups of one controller, or of all',
    operations: DUMP_AND_RESTORE,
    encode: (roots) =>
      roots.map(({ controller, path }) => ({ path, ...(controller === undefined ? {} : { ctrl: controller }) })),
  }),
  cgroupProps: rpc('cgroup_props', {
    flags: ['--cgroup-props'],
    type: text('STRING'),
    default: 'the built-in list',
    text: "Controllers and properties to dump, in CRIU's simplified YAML",
    operations: ['dump'],
  }),
  cgroupPropsFile: rpc('cgroup_props_file', {
    flags: ['--cgroup-props-file'],
    type: text('FILE'),
    default: 'none',
    text: 'The same, read from a file',
    operations: ['dump'],
  }),
  cgroupDumpController: rpc('cgroup_dump_controller', {
    flags: ['--cgroup-dump-controller'],
    type: list(text('NAME')),
    default: 'all',
    text: 'Dump this controller only; may be repeated',
    operations: ['dump'],
  }),
  cgroupYard: rpc('cgroup_yard', {
    flags: ['--cgroup-yard'],
    type: text('PATH'),
    default: 'CRIU mounts cgroups itself',
    text: 'A directory in which the cgroup hierarchies are already mounted',
    operations: DUMP_AND_RESTORE,
  }),
  emptyNs: rpc('empty_ns', {
    flags: ['--empty-ns'],
    type: list(choice(['net'])),
    default: 'none',
    text: 'Create this namespace but leave its properties to action scripts or notifications',
    operations: DUMP_AND_RESTORE,
    encode: (namespaces) => (namespaces.length > 0 ? CLONE_NEWNET : 0),
  }),
  joinNs: rpc('join_ns', {
    flags: ['--join-ns', '-J'],
    type: list(joinNamespace),
    default: 'none',
    text: 'Restore into an existing namespace, given by a pid or a file',
    operations: ['restore'],
    quirk: 'pid namespaces cannot be joined this way',
    encode: (joins) =>
      joins.map(({ namespace, from, extra }) => ({
        ns: namespace,
        ns_file: from,
        ...(extra === undefined ? {} : { extra_opt: extra }),
      })),
  }),
  restoreSibling: rpc('rst_sibling', {
    flags: ['--restore-sibling', '-S'],
    type: flag,
    default: 'the root becomes an orphan when CRIU is done',
    text: 'Restore the root as a child of the process that runs CRIU',
    operations: ['restore'],
  }),
  execCmd: rpc('exec_cmd', {
    flags: ['--exec-cmd'],
    type: list(text('COMMAND')),
    default: 'none',
    text: 'After the restore CRIU becomes this command, the parent of the restored tree',
    operations: ['restore'],
    quirk: "its output goes to CRIU's log",
  }),
  inheritFd: rpc('inherit_fd', {
    flags: ['--inherit-fd'],
    type: list(inheritedFd),
    default: 'none',
    text: 'Use an fd of ours instead of what the images describe',
    operations: ['restore'],
  }),
  weakSysctls: rpc('weak_sysctls', {
    flags: ['--weak-sysctls'],
    type: flag,
    default: 'a sysctl that is not there fails the restore',
    text: 'Skip sysctls that are not available',
    operations: ['restore'],
  }),
  skipFileRwxCheck: rpc('skip_file_rwx_check', {
    flags: ['--skip-file-rwx-check'],
    type: flag,
    default: 'changed permissions fail the restore',
    text: 'Do not compare the permissions of files with those at dump time',
    operations: ['restore'],
  }),
  lsmProfile: rpc('lsm_profile', {
    flags: ['--lsm-profile'],
    type: text('TYPE:NAME'),
    default: 'the one in the images',
    text: 'LSM profile of the restored tasks: apparmor:NAME or selinux:LABEL',
    operations: ['dump', 'preDump', 'restore'],
    quirk: 'on a dump CRIU only looks whether the host has that LSM, and refuses when not',
  }),
  lsmMountContext: rpc('lsm_mount_context', {
    flags: ['--lsm-mount-context'],
    type: text('CONTEXT'),
    default: 'the one in the images',
    text: 'Mount context instead of the recorded one, where there was one',
    operations: ['restore'],
  }),
  orphanPtsMaster: rpc('orphan_pts_master', {
    flags: [],
    type: flag,
    default: 'off',
    text: "Hand over the master of the tree's terminal when nobody in the tree holds it",
    operations: ['restore'],
    quirk: 'arrives with the notification orphan-pts-master',
  }),
} as const;
