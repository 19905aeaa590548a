import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { ROUTES, routeOpts } from '../../../src/rpc/libcriu-setters.js';
import type { CriuOpts } from '../../../src/schema/rpc.js';

const native = readFileSync(new URL('../../../native/criu/libcriu.cc', import.meta.url), 'utf8');
const known = new Set([...native.matchAll(/kinds [!=]= "(\w+)"/g)].map(([, kinds]) => kinds));

/** One value for every field. */
const EVERY: Required<CriuOpts> = {
  images_dir_fd: 3,
  images_dir: '/i',
  pid: 1,
  leave_running: true,
  leave_stopped: true,
  ext_unix_sk: true,
  unix_sk_ino: [{ inode: 1 }],
  tcp_established: true,
  tcp_skip_in_flight: true,
  tcp_close: true,
  evasive_devices: true,
  shell_job: true,
  file_locks: true,
  log_level: 4,
  log_file: 'l',
  log_to_stderr: true,
  notify_scripts: true,
  ps: { address: '::1', port: 5, fd: 6 },
  root: '/',
  parent_img: '../0',
  track_mem: true,
  auto_dedup: true,
  work_dir_fd: 4,
  link_remap: true,
  veths: [{ if_in: 'a', if_out: 'b' }],
  cpu_cap: 2 ** 31,
  force_irmap: true,
  irmap_scan_paths: ['/a'],
  exec_cmd: ['a', 'b'],
  ext_mnt: [{ key: 'k', val: 'v' }],
  manage_cgroups: true,
  manage_cgroups_mode: 'STRICT',
  cg_root: [{ path: '/a' }, { ctrl: 'cpu', path: '/b' }],
  cgroup_props: 'p',
  cgroup_props_file: '/p',
  cgroup_dump_controller: ['cpu'],
  cgroup_yard: '/y',
  freeze_cgroup: '/f',
  rst_sibling: true,
  inherit_fd: [{ key: 'pipe:[1]', fd: 9 }],
  auto_ext_mnt: true,
  ext_sharing: true,
  ext_masters: true,
  skip_mnt: ['/m'],
  enable_fs: ['all'],
  ghost_limit: 1,
  external: ['unix[1]'],
  empty_ns: 0x40000000,
  join_ns: [{ ns: 'net', ns_file: '1' }],
  timeout: 5,
  weak_sysctls: true,
  lazy_pages: true,
  status_fd: 7,
  orphan_pts_master: true,
  config_file: '/c',
  lsm_profile: 'apparmor:x',
  lsm_mount_context: 'c',
  tls: true,
  tls_cacert: '/1',
  tls_cacrl: '/2',
  tls_cert: '/3',
  tls_key: '/4 "x"',
  tls_no_cn_verify: true,
  pre_dump_mode: 'VM_READ',
  pidfd_store_sk: 8,
  network_lock: 'NFTABLES',
  mntns_compat_mode: true,
  skip_file_rwx_check: true,
  unprivileged: true,
  display_stats: true,
};
const REFUSED = ['images_dir', 'log_to_stderr', 'status_fd'];

const accepted = Object.fromEntries(Object.entries(EVERY).filter(([field]) => !REFUSED.includes(field)));

describe('routeOpts()', () => {
  test('knows every field', () => {
    expect(Object.keys(ROUTES).toSorted()).toEqual(Object.keys(EVERY).toSorted());
  });

  test.each(REFUSED)('refuses %s by name', (field) => {
    const opts = { images_dir_fd: 3, [field]: 1 } as unknown as CriuOpts;
    expect(() => routeOpts(opts)).toThrow(`Cannot send ${field} through libcriu`);
  });

  test('uses signatures that the native side has, with as many arguments', () => {
    const { setters } = routeOpts(accepted as CriuOpts);
    expect(known.size).toBeGreaterThan(5);
    for (const { symbol, signature, arguments: given } of setters) {
      const kinds = signature.replace('!', '');
      expect(known, symbol).toContain(kinds);
      if (kinds !== 'v') expect(given.length, symbol).toBe(kinds.length);
    }
  });

  test('translates enums, lists and absent strings', () => {
    const { setters } = routeOpts(accepted as CriuOpts);
    const of = (name: string) =>
      setters.filter(({ symbol }) => symbol === `criu_local_${name}`).map((one) => one.arguments);
    expect(of('set_network_lock')).toEqual([[2]]);
    expect(of('set_manage_cgroups_mode')).toEqual([[5]]);
    expect(of('set_pre_dump_mode')).toEqual([[2]]);
    expect(of('set_exec_cmd')).toEqual([['a', 'b']]);
    expect(of('add_cg_root')).toEqual([
      [null, '/a'],
      ['cpu', '/b'],
    ]);
    expect(of('join_ns_add')).toEqual([['net', '1', null]]);
    expect(of('add_inherit_fd')).toEqual([[9, 'pipe:[1]']]);
  });

  test('puts what libcriu cannot set, or sets wrongly, into config lines', () => {
    const { setters, configLines } = routeOpts(accepted as CriuOpts);
    expect(setters.map(({ symbol }) => symbol)).not.toContain('criu_local_set_timeout');
    expect(configLines).toEqual([
      'leave-stopped',
      'page-server',
      'address "::1"',
      'port 5',
      'ps-socket 6',
      'restore-sibling',
      'timeout 5',
      'lazy-pages',
      'tls',
      'tls-cacert "/1"',
      'tls-cacrl "/2"',
      'tls-cert "/3"',
      'tls-key "/4 \\"x\\""',
      'tls-no-cn-verify',
      'display-stats',
    ]);
  });
});
