import { HINTS } from './hints.js';
import type { Rule } from './rule.js';

/** Files, locks, devices and mappings, while dumping. */
export const FILE_RULES: readonly Rule[] = [
  {
    id: 'ghost-too-big',
    match: /Can't dump ghost file (?<path>.+) of (?<size>\d+) size, increase limit/,
    reason: 'Process {pid} holds< on fd {fd}> the deleted file "{path}" of {size} bytes, more than the ghost limit',
    remedy: 'Pass a ghostLimit (--ghost-limit) of at least {size}, or close the file before the dump',
    option: HINTS.ghostLimit,
    near: ['pid', 'fd'],
  },
  {
    id: 'link-remap',
    match: /Can't create link remap for (?<path>.+)\. Use link-remap option/,
    reason:
      'Process {pid} holds< on fd {fd}> the file "{path}" under a name that was deleted while other hard links exist',
    remedy: 'Pass linkRemap: true (--link-remap), or close the file before the dump',
    option: HINTS.linkRemap,
    near: ['pid', 'fd'],
  },
  {
    id: 'link-remap-failed',
    match: /Can't link remap to (?<path>.+): (?<why>[^:]+)$/,
    reason: 'The deleted file of process {pid}< on fd {fd}> cannot be given the name "{path}" for the restore: {why}',
    remedy: 'Make its directory writable and of one file system, or close the file before the dump',
    near: ['pid', 'fd'],
  },
  {
    id: 'file-locks',
    match: /Some file locks are hold by dumping tasks!/,
    reason: 'Process {pid} holds a file lock< on fd {fd}>< ("{path}")>',
    remedy: 'Pass fileLocks: true (--file-locks) on dump and restore, or release the lock before the dump',
    option: HINTS.fileLocks,
    near: ['pid', 'fd', 'path'],
  },
  {
    // Since 6.7 the kernel refuses to pass an io_uring fd over a socket (EINVAL), which is how CRIU fetches fds.
    id: 'fd-not-passable',
    match: /send_fds failed \(-22\)/,
    reason: 'Process {pid} holds an fd that cannot be passed to another process, as those of io_uring',
    remedy:
      'Close it before the dump (Node and libuv: UV_USE_IO_URING=0), and run frazil doctor -t {pid} to see which fd it is',
    near: ['pid'],
  },
  {
    id: 'file-type-io-uring',
    match: /Can't dump file (?<fd>\d+) of that type \[\d+\] \(anon (?<path>anon_inode:\[io_uring\])\)/,
    reason: 'Process {pid} uses io_uring on fd {fd}, which CRIU does not carry',
    remedy: 'Switch io_uring off in the program before the dump (Node and libuv: UV_USE_IO_URING=0)',
    near: ['pid'],
  },
  {
    id: 'file-type-device',
    match: /Can't dump file (?<fd>\d+) of that type \[\d+\] \((?<kind>chr|blk) (?<device>\d+:\d+)/,
    reason: 'Process {pid} holds on fd {fd} the device {device}< ("{path}")>, which CRIU does not carry',
    remedy: 'Close the device before the dump, or use a CRIU plugin for it',
    near: ['pid', 'path'],
  },
  {
    id: 'file-type',
    match: /Can't dump file (?<fd>\d+) of that type \[(?<mode>\d+)\] \((?<kind>\S+) ?(?<path>.*)\)/,
    reason: 'Process {pid} holds on fd {fd} a file of a kind that CRIU does not carry ({kind} {path})',
    remedy: 'Close it before the dump',
    near: ['pid'],
  },
  {
    id: 'mapping-mount-unknown',
    match: /Can't lookup mount=(?<mount>-?\d+) for fd=-3 path=(?<path>.+)/,
    reason: 'Process {pid} runs or maps "{path}" from a mount that is not in its mount namespace',
    remedy: 'Start the program again inside the namespace, so that exec finds it there',
    near: ['pid'],
  },
  {
    id: 'file-mount-unknown',
    match: /Can't lookup mount=(?<mount>-?\d+) for fd=(?<fd>\d+) path=(?<path>.+)/,
    reason: 'Process {pid} holds on fd {fd} "{path}" from a mount that is not in its mount namespace',
    remedy: 'Close it before the dump, or declare it: external: ["file[MNT:INODE]"]',
    option: HINTS.external,
    near: ['pid'],
  },
  {
    id: 'file-overmounted',
    match:
      /Open files on overmounted mounts are not supported yet(?:; mount=(?<mount>-?\d+) fd=(?<fd>-?\d+) path=(?<path>.+))?/,
    reason: 'Process {pid} holds< on fd {fd}> a file< ("{path}")> on a mount that another mount covers',
    remedy: 'Unmount the cover, or close the file before the dump',
    near: ['pid', 'fd', 'path'],
  },
  {
    id: 'path-unsupported',
    match: /The path \[(?<path>[^\]]*)\] is not supported/,
    reason: 'Process {pid} holds< on fd {fd}> a file with the path "{path}", which CRIU cannot find again',
    near: ['pid', 'fd'],
  },
  {
    id: 'mapping-unsupported',
    match: /Unsupported mapping found (?<range>[0-9a-f]+-[0-9a-f]+)/,
    reason: 'Process {pid} has a mapping ({range}) that CRIU does not carry',
    remedy: 'Unmap it before the dump, or use a CRIU plugin for the device',
    near: ['pid', 'path'],
  },
  {
    id: 'mapping-not-regular',
    match: /Can't handle non-regular mapping on (?<pid>\d+)'s map (?<range>[0-9a-f]+)/,
    reason: 'Process {pid} has mapped a device (at 0x{range}), which CRIU does not carry',
    remedy: 'Unmap it before the dump, or use a CRIU plugin for the device',
  },
  {
    id: 'uprobes-mapping',
    match: /PID (?<pid>\d+) has uprobes vma\. Consider using --allow-uprobes/,
    reason: 'Process {pid} is traced by uprobes',
    remedy: 'Pass allowUprobes: true (--allow-uprobes) on dump and restore, or remove the probes',
    option: HINTS.allowUprobes,
  },
  {
    id: 'fsnotify-handle',
    match: /fsnotify:\s+(?:Can't dump that handle|Handle 0x.+ cannot be opened)/,
    reason: 'Process {pid} watches a file< (fd {fd})> whose path CRIU cannot find',
    remedy: 'Pass forceIrmap: true (--force-irmap), or close the watch before the dump',
    option: HINTS.forceIrmap,
    near: ['pid', 'fd'],
  },
  {
    id: 'pipe-packetized',
    match: /The packetized mode for pipes is not supported yet/,
    reason: 'Process {pid} uses a pipe in packet mode (O_DIRECT)< on fd {fd}>',
    remedy: 'Close the pipe before the dump',
    near: ['pid', 'fd'],
  },
  {
    id: 'scm-in-flight',
    match: /(?:Control messages in queue, not supported|Unsupported scm \d+)/,
    reason: 'A unix socket of process {pid} has passed messages waiting in its queue that CRIU does not carry',
    remedy: 'Let the receiver read them, then dump again',
    near: ['pid', 'fd'],
  },
  {
    id: 'dump-files-failed',
    match: /Dump files \(pid: (?<pid>\d+)\) failed/,
    reason: 'A file of process {pid} cannot be dumped',
    rank: 'consequence',
  },
];
