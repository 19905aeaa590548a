// How each field of criu_opts gets into libcriu: by a setter, by a line of the config file where libcriu has no setter or a broken one
// (facts/criu.md 8), or not at all. The config file needs libcriu 4.2 (criu_local_set_config_file).

import type { LibcriuSetter } from '../addon/libcriu.js';
import { argumentLine, type Field } from '../options/row.js';
import { type CriuOpts, RPC } from '../schema/rpc.js';

type Given<F extends Field> = NonNullable<CriuOpts[F]>;

export type Route<F extends Field = Field> =
  | { readonly kind: 'setters'; calls(value: Given<F>): readonly LibcriuSetter[] }
  | { readonly kind: 'config'; lines(value: Given<F>): readonly string[] }
  | { readonly kind: 'refused'; readonly reason: string };

type Arguments = LibcriuSetter['arguments'];

function setter(name: string, signature: string, ...given: Arguments): LibcriuSetter {
  return { symbol: `criu_local_${name}`, signature, arguments: given };
}

/** A setter that takes the value as it is. */
function plain(
  name: string,
  signature: string,
): { readonly kind: 'setters'; calls(value: number | boolean | string): readonly LibcriuSetter[] } {
  return { kind: 'setters', calls: (value) => [setter(name, signature, value)] };
}

/** One call for each of a list. */
function each<T>(
  name: string,
  signature: string,
  of: (one: T) => Arguments,
): { readonly kind: 'setters'; calls(values: readonly T[]): readonly LibcriuSetter[] } {
  return { kind: 'setters', calls: (values) => values.map((one) => setter(name, signature, ...of(one))) };
}

function eachText(name: string): ReturnType<typeof each<string>> {
  return each(name, '!s', (one) => [one]);
}

type EnumName = keyof typeof RPC.enums;

function enumeration(
  name: string,
  signature: string,
  type: EnumName,
): { readonly kind: 'setters'; calls(value: string | { readonly raw: number }): readonly LibcriuSetter[] } {
  const values: Readonly<Record<string, number>> = RPC.enums[type];
  return {
    kind: 'setters',
    calls: (value) => [setter(name, signature, typeof value === 'string' ? (values[value] ?? -1) : value.raw)],
  };
}

function switchInConfig(name: string): { readonly kind: 'config'; lines(value: boolean): readonly string[] } {
  return { kind: 'config', lines: (value) => [value ? name : `no-${name}`] };
}

function textInConfig(name: string): { readonly kind: 'config'; lines(value: string): readonly string[] } {
  return { kind: 'config', lines: (value) => [argumentLine(name, value)] };
}

export const ROUTES: { readonly [F in Field]: Route<F> } = {
  images_dir_fd: plain('set_images_dir_fd', 'i'),
  images_dir: { kind: 'refused', reason: 'libcriu takes images_dir_fd only' },
  pid: plain('set_pid', 'i'),
  leave_running: plain('set_leave_running', 'b'),
  leave_stopped: switchInConfig('leave-stopped'),
  ext_unix_sk: plain('set_ext_unix_sk', 'b'),
  unix_sk_ino: each('add_unix_sk', '!u', ({ inode }) => [inode]),
  tcp_established: plain('set_tcp_established', 'b'),
  tcp_skip_in_flight: plain('set_tcp_skip_in_flight', 'b'),
  tcp_close: plain('set_tcp_close', 'b'),
  evasive_devices: plain('set_evasive_devices', 'b'),
  shell_job: plain('set_shell_job', 'b'),
  file_locks: plain('set_file_locks', 'b'),
  log_level: plain('set_log_level', 'i'),
  log_file: plain('set_log_file', '!s'),
  log_to_stderr: { kind: 'refused', reason: 'libcriu has no setter for it' },
  // The callback is always set, and turns notifications on.
  notify_scripts: { kind: 'setters', calls: () => [] },
  ps: {
    kind: 'config',
    lines: ({ address, port, fd }) => [
      'page-server',
      ...(address === undefined ? [] : [argumentLine('address', address)]),
      ...(port === undefined ? [] : [`port ${port}`]),
      ...(fd === undefined ? [] : [`ps-socket ${fd}`]),
    ],
  },
  root: plain('set_root', '!s'),
  parent_img: plain('set_parent_images', '!s'),
  track_mem: plain('set_track_mem', 'b'),
  auto_dedup: plain('set_auto_dedup', 'b'),
  work_dir_fd: plain('set_work_dir_fd', 'i'),
  link_remap: plain('set_link_remap', 'b'),
  veths: each('add_veth_pair', '!ss', ({ if_in, if_out }) => [if_in, if_out]),
  cpu_cap: plain('set_cpu_cap', 'u'),
  force_irmap: plain('set_force_irmap', 'b'),
  irmap_scan_paths: eachText('add_irmap_path'),
  exec_cmd: { kind: 'setters', calls: (words) => [setter('set_exec_cmd', '!v', ...words)] },
  ext_mnt: each('add_ext_mount', '!ss', ({ key, val }) => [key, val]),
  manage_cgroups: plain('set_manage_cgroups', 'b'),
  manage_cgroups_mode: enumeration('set_manage_cgroups_mode', 'i', 'criu_cg_mode'),
  cg_root: each('add_cg_root', '!ns', ({ ctrl, path }) => [ctrl ?? null, path]),
  cgroup_props: plain('add_cg_props', '!s'),
  cgroup_props_file: plain('add_cg_props_file', '!s'),
  cgroup_dump_controller: eachText('add_cg_dump_controller'),
  cgroup_yard: plain('add_cg_yard', '!s'),
  freeze_cgroup: plain('set_freeze_cgroup', '!s'),
  // criu_restore_child() would fork this process; the option does the same over the CRIU that we started.
  rst_sibling: switchInConfig('restore-sibling'),
  inherit_fd: each('add_inherit_fd', '!is', ({ fd, key }) => [fd, key]),
  auto_ext_mnt: plain('set_auto_ext_mnt', 'b'),
  ext_sharing: plain('set_ext_sharing', 'b'),
  ext_masters: plain('set_ext_masters', 'b'),
  skip_mnt: eachText('add_skip_mnt'),
  enable_fs: eachText('add_enable_fs'),
  ghost_limit: plain('set_ghost_limit', 'u'),
  external: eachText('add_external'),
  empty_ns: plain('set_empty_ns', 'i'),
  join_ns: each('join_ns_add', '!ssn', ({ ns, ns_file, extra_opt }) => [ns, ns_file, extra_opt ?? null]),
  // criu_set_timeout() forgets to mark the field as present, so that it is never sent.
  timeout: { kind: 'config', lines: (seconds) => [`timeout ${seconds}`] },
  weak_sysctls: plain('set_weak_sysctls', 'b'),
  lazy_pages: switchInConfig('lazy-pages'),
  status_fd: { kind: 'refused', reason: 'it is obsolete, and libcriu has no setter for it' },
  orphan_pts_master: plain('set_orphan_pts_master', 'b'),
  // Merged with our own lines by the session.
  config_file: { kind: 'setters', calls: () => [] },
  lsm_profile: plain('set_lsm_profile', '!s'),
  lsm_mount_context: plain('set_lsm_mount_context', '!s'),
  tls: switchInConfig('tls'),
  tls_cacert: textInConfig('tls-cacert'),
  tls_cacrl: textInConfig('tls-cacrl'),
  tls_cert: textInConfig('tls-cert'),
  tls_key: textInConfig('tls-key'),
  tls_no_cn_verify: switchInConfig('tls-no-cn-verify'),
  pre_dump_mode: enumeration('set_pre_dump_mode', 'i', 'criu_pre_dump_mode'),
  pidfd_store_sk: plain('set_pidfd_store_sk', 'i'),
  network_lock: enumeration('set_network_lock', '!i', 'criu_network_lock_method'),
  mntns_compat_mode: plain('set_mntns_compat_mode', 'b'),
  skip_file_rwx_check: plain('set_skip_file_rwx_check', 'b'),
  unprivileged: plain('set_unprivileged', 'b'),
  display_stats: switchInConfig('display-stats'),
};

export interface Routed {
  readonly setters: readonly LibcriuSetter[];
  readonly configLines: readonly string[];
}

/** Throws RangeError for a field that libcriu cannot send in any way. */
export function routeOpts(opts: CriuOpts): Routed {
  const setters: LibcriuSetter[] = [];
  const configLines: string[] = [];
  for (const [field, value] of Object.entries(opts)) {
    const route = ROUTES[field as Field] as Route<never>;
    if (route.kind === 'refused') throw new RangeError(`Cannot send ${field} through libcriu: ${route.reason}`);
    if (value === undefined) continue;
    if (route.kind === 'setters') setters.push(...route.calls(value as never));
    else configLines.push(...route.lines(value as never));
  }
  return { setters, configLines };
}
