// Options about what lies outside the tree: mounts, sockets, the network, other external resources.

import { rpc } from '../row.js';
import type { NetworkLock } from '../types.js';
import { choice, flag, list, mountMapping, text } from '../values.js';

const DUMP_AND_RESTORE = ['dump', 'restore'] as const;
const NETWORK_LOCKS = { iptables: 'IPTABLES', nftables: 'NFTABLES', skip: 'SKIP' } as const satisfies Record<
  NetworkLock,
  string
>;
const NETWORK_LOCK = choice(['iptables', 'nftables', 'skip']);

export const OUTSIDE = {
  external: rpc('external', {
    flags: ['--external'],
    type: list(text('RES')),
    default: 'none',
    text: 'Leave this resource to the caller: mnt[], dev[], file[], tty[], unix[], net[] or pid[] on dump, mnt[], dev[], veth[], macvlan[] or netdev[] on restore',
    operations: DUMP_AND_RESTORE,
  }),
  extMountMap: rpc('ext_mnt', {
    flags: ['--ext-mount-map', '-M'],
    type: list(mountMapping),
    default: 'none',
    text: 'External bind mount: mount point and cookie on dump, cookie and host path on restore; "auto" sets autoExtMount',
    operations: DUMP_AND_RESTORE,
    quirk: 'the same as external mnt[KEY]:VALUE, which CRIU prefers',
    encode: (mappings) => mappings.map(({ key, value }) => ({ key, val: value })),
  }),
  autoExtMount: rpc('auto_ext_mnt', {
    flags: [],
    type: flag,
    default: 'off',
    text: 'Find external bind mounts by comparing mount tables',
    operations: DUMP_AND_RESTORE,
    quirk: 'on the command line: --ext-mount-map auto',
  }),
  enableExternalSharing: rpc('ext_sharing', {
    flags: ['--enable-external-sharing'],
    type: flag,
    default: 'off',
    text: 'Let autoExtMount resolve mounts with external sharing',
    operations: DUMP_AND_RESTORE,
  }),
  enableExternalMasters: rpc('ext_masters', {
    flags: ['--enable-external-masters'],
    type: flag,
    default: 'off',
    text: 'Let autoExtMount resolve mounts with external masters',
    operations: DUMP_AND_RESTORE,
  }),
  skipMnt: rpc('skip_mnt', {
    flags: ['--skip-mnt'],
    type: list(text('PATH')),
    default: 'none',
    text: 'Ignore this mount point',
    operations: ['dump'],
  }),
  enableFs: rpc('enable_fs', {
    flags: ['--enable-fs'],
    type: list(text('FS'), ','),
    default: 'none',
    text: 'Try mounts of these file systems although CRIU does not support them, or "all"',
    operations: DUMP_AND_RESTORE,
  }),
  root: rpc('root', {
    flags: ['--root', '-r'],
    type: text('PATH'),
    default: 'the root of CRIU',
    text: 'New root of the mount namespace',
    operations: ['restore'],
    quirk: 'must be a mount point whose parent is not overmounted',
  }),
  mntnsCompatMode: rpc('mntns_compat_mode', {
    flags: ['--mntns-compat-mode'],
    type: flag,
    default: 'mount-v2 where the kernel has MOVE_MOUNT_SET_GROUP',
    text: 'Restore mounts with the older engine',
    operations: ['restore'],
    quirk: 'CRIU refuses it on dump',
  }),
  extUnixSk: rpc('ext_unix_sk', {
    flags: ['--ext-unix-sk', '-x'],
    type: flag,
    default: 'such a socket is refused',
    text: 'Allow unix sockets whose other end is outside the tree',
    operations: DUMP_AND_RESTORE,
    quirk: 'of half-open ones only datagram sockets with a name',
  }),
  tcpEstablished: rpc('tcp_established', {
    flags: ['--tcp-established'],
    type: flag,
    default: 'established connections are refused',
    text: 'Dump and restore established TCP connections',
    operations: DUMP_AND_RESTORE,
    quirk: 'needed on both sides; a dump that kills the tree leaves the connections locked until the restore',
  }),
  tcpClose: rpc('tcp_close', {
    flags: ['--tcp-close'],
    type: flag,
    default: 'off',
    text: 'Restore established connections as closed ones, without their state',
    operations: DUMP_AND_RESTORE,
    quirk: 'needed on both sides',
  }),
  skipInFlight: rpc('tcp_skip_in_flight', {
    flags: ['--skip-in-flight'],
    type: flag,
    default: 'such a connection is refused',
    text: 'Ignore TCP connections that are not yet accepted',
    operations: ['dump'],
  }),
  networkLock: rpc('network_lock', {
    flags: ['--network-lock'],
    type: NETWORK_LOCK,
    default: 'iptables',
    text: 'How connections are locked while the tree is dumped',
    operations: ['dump'],
    quirk: 'the restore uses the method recorded in inventory.img; iptables needs iptables-restore on the PATH',
    encode: (method: NetworkLock) => NETWORK_LOCKS[method],
  }),
} as const;
