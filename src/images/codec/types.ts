// Every type of image file that CRIU 4.1 and 4.2 write or read: its magic, its messages, and what follows a message that is not
// protobuf (criu/include/magic.h, criu/image-desc.c). The names are crit's: a magic's constant without IMG_ and _MAGIC. Raw files
// (pages, tar.gz, the dumps of ip and iptables) have no magic and no type.

import type { EntryKind } from '../../schema/images.js';

/** What stands in front of a type's magic: inventory.img has nothing there, what is not part of a checkpoint the service magic. */
export const PREFIXES = { none: undefined, common: 0x54564319, service: 0x55105940 } as const;
export type Prefix = keyof typeof PREFIXES;

/** How the bytes that follow a message are laid out; extras.ts reads and writes them. */
export type ExtraName =
  | 'pipe'
  | 'packet'
  | 'tcp-queues'
  | 'ghost'
  | 'chunk'
  | 'bpf-map'
  | 'semaphores'
  | 'messages'
  | 'segment';

export interface EntryRow {
  readonly kind: EntryKind;
  readonly extra?: ExtraName;
}

export interface ImageType {
  readonly magic: number;
  readonly prefix: Prefix;
  /** What the first entry is when it is not one as the others. */
  readonly first?: EntryRow;
  readonly entry: EntryRow;
}

// One row a type: magic, message, and what follows it.
const ROWS = {
  INVENTORY: '0x58313116 inventory_entry',
  CORE: '0x55053847 core_entry',
  IDS: '0x54432030 task_kobj_ids_entry',
  CREDS: '0x54023547 creds_entry',
  UTSNS: '0x54473203 utsns_entry',
  TIMENS: '0x43114433 timens_entry',
  PIDNS: '0x61157326 pidns_entry',
  IPC_VAR: '0x53115007 ipc_var_entry',
  FS: '0x51403912 fs_entry',
  GHOST_FILE: '0x52583605 ghost_chunk_entry chunk',
  MM: '0x57492820 mm_entry',
  CGROUP: '0x59383330 cgroup_entry',
  TCP_STREAM: '0x51465506 tcp_stream_entry tcp-queues',
  STATS: '0x57093306 stats_entry',
  PAGEMAP: '0x56084025 pagemap_entry',
  PSTREE: '0x50273030 pstree_entry',
  REG_FILES: '0x50363636 reg_file_entry',
  NS_FILES: '0x61394011 ns_file_entry',
  EVENTFD_FILE: '0x44523722 eventfd_file_entry',
  EVENTPOLL_FILE: '0x45023858 eventpoll_file_entry',
  EVENTPOLL_TFD: '0x44433746 eventpoll_tfd_entry',
  SIGNALFD: '0x57323820 signalfd_entry',
  TIMERFD: '0x50493712 timerfd_entry',
  INOTIFY_FILE: '0x48424431 inotify_file_entry',
  INOTIFY_WD: '0x54562009 inotify_wd_entry',
  FANOTIFY_FILE: '0x55096122 fanotify_file_entry',
  FANOTIFY_MARK: '0x56506035 fanotify_mark_entry',
  VMAS: '0x54123737 vma_entry',
  PIPES: '0x56513555 pipe_entry',
  FIFO: '0x58364939 fifo_entry',
  SIGACT: '0x55344201 sa_entry',
  NETLINK_SK: '0x58005614 netlink_sk_entry',
  REMAP_FPATH: '0x59133954 remap_file_path_entry',
  MNTS: '0x55563928 mnt_entry',
  TTY_FILES: '0x59433025 tty_file_entry',
  TTY_INFO: '0x59453036 tty_info_entry',
  TTY_DATA: '0x59413026 tty_data_entry',
  RLIMIT: '0x57113925 rlimit_entry',
  TUNFILE: '0x57143751 tunfile_entry',
  EXT_FILES: '0x59255641 ext_file_entry',
  IRMAP_CACHE: '0x57004059 irmap_cache_entry',
  FILE_LOCKS: '0x54323616 file_lock_entry',
  FDINFO: '0x56213732 fdinfo_entry',
  UNIXSK: '0x54373943 unix_sk_entry',
  INETSK: '0x56443851 inet_sk_entry',
  PACKETSK: '0x60454618 packet_sock_entry',
  ITIMERS: '0x57464056 itimer_entry',
  POSIX_TIMERS: '0x52603957 posix_timer_entry',
  NETDEV: '0x57373951 net_device_entry',
  PIPES_DATA: '0x56453709 pipe_data_entry pipe',
  FIFO_DATA: '0x59333054 pipe_data_entry pipe',
  SK_QUEUES: '0x56264026 sk_packet_entry packet',
  IPCNS_SHM: '0x46283044 ipc_shm_entry segment',
  IPCNS_SEM: '0x59573019 ipc_sem_entry semaphores',
  IPCNS_MSG: '0x55453737 ipc_msg_entry messages',
  NETNS: '0x55933752 netns_entry',
  USERNS: '0x55474906 userns_entry',
  SECCOMP: '0x64413049 seccomp_entry',
  AUTOFS: '0x49353943 autofs_entry',
  FILES: '0x56303138 file_entry',
  CPUINFO: '0x61404013 cpuinfo_entry',
  MEMFD_INODE: '0x48453499 memfd_inode_entry',
  BPFMAP_FILE: '0x57506142 bpfmap_file_entry',
  BPFMAP_DATA: '0x64324033 bpfmap_data_entry bpf-map',
  APPARMOR: '0x59423047 apparmor_entry',
  // crit knows the magics of these three and cannot read them.
  SIGNAL: '0x59255647 siginfo_entry',
  BINFMT_MISC: '0x67343323 binfmt_misc_entry',
  PIDFD: '0x54435556 pidfd_entry',
} as const;

export type ImageName = keyof typeof ROWS;

const FIRST: Partial<Record<ImageName, EntryRow>> = {
  PAGEMAP: { kind: 'pagemap_head' },
  GHOST_FILE: { kind: 'ghost_file_entry', extra: 'ghost' },
};
const PREFIX: Partial<Record<ImageName, Prefix>> = { INVENTORY: 'none', STATS: 'service', IRMAP_CACHE: 'service' };

export const IMAGE_NAMES = Object.keys(ROWS) as readonly ImageName[];
const TYPES = new Map(IMAGE_NAMES.map((name) => [name, typeOf(name)]));
const BY_MAGIC = new Map(IMAGE_NAMES.map((name) => [imageType(name).magic, name]));

export function imageType(name: ImageName): ImageType {
  return TYPES.get(name) ?? typeOf(name);
}

export function isImageName(name: string): name is ImageName {
  return Object.hasOwn(ROWS, name);
}

/** `undefined` for a magic that no image file of CRIU has. */
export function imageOfMagic(magic: number): ImageName | undefined {
  return BY_MAGIC.get(magic);
}

function typeOf(name: ImageName): ImageType {
  const [magic, kind, extra] = ROWS[name].split(' ') as [string, EntryKind, ExtraName?];
  const first = FIRST[name];
  return {
    magic: Number(magic),
    prefix: PREFIX[name] ?? 'common',
    entry: { kind, ...(extra === undefined ? {} : { extra }) },
    ...(first === undefined ? {} : { first }),
  };
}
