import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CheckpointError } from '../../../src/errors/checkpoint-error.js';
import { assertTaken, encodeOptions } from '../../../src/options/request.js';
import { OPTIONS } from '../../../src/options/table.js';
import type { DumpOptions, RestoreOptions } from '../../../src/options/types.js';
import { decodeRequest, encodeRequest } from '../../../src/schema/rpc-codec.js';

const OWN = { images_dir_fd: 9 };

describe('encodeOptions()', () => {
  test('sends nothing that was not given', () => {
    expect(encodeOptions('dump', { leaveRunning: undefined } as unknown as DumpOptions, OWN)).toEqual({
      opts: { images_dir_fd: 9 },
      configLines: [],
      defaultConfig: true,
    });
  });

  test('translates every kind of value', () => {
    const options: DumpOptions = {
      leaveRunning: true,
      tcpEstablished: false,
      networkLock: 'nftables',
      ghostLimit: 2 ** 31,
      manageCgroups: 'none',
      cpuCap: ['cpu', 'ins'],
      emptyNs: ['net'],
      cgroupRoot: [{ path: '/a' }, { controller: 'cpu', path: '/b' }],
      extMountMap: [{ key: '/etc/hosts', value: 'hosts' }],
      parent: '../0',
      timeoutSeconds: 0,
      logLevel: 4,
    };
    expect(encodeOptions('dump', options, { ...OWN, pid: 4121, ps: { fd: 5 }, notify_scripts: true }).opts).toEqual({
      images_dir_fd: 9,
      pid: 4121,
      ps: { fd: 5 },
      notify_scripts: true,
      leave_running: true,
      tcp_established: false,
      network_lock: 'NFTABLES',
      ghost_limit: 2 ** 31,
      manage_cgroups_mode: 'CG_NONE',
      cpu_cap: 6,
      empty_ns: 0x40000000,
      cg_root: [{ path: '/a' }, { ctrl: 'cpu', path: '/b' }],
      ext_mnt: [{ key: '/etc/hosts', val: 'hosts' }],
      parent_img: '../0',
      timeout: 0,
      log_level: 4,
    });
  });

  test('translates what only a restore takes', () => {
    const options: RestoreOptions = {
      joinNs: [
        { namespace: 'net', from: '4121' },
        { namespace: 'user', from: '4121', extra: '0,0' },
      ],
      inheritFd: [{ key: 'pipe:[123]', fd: 7 }],
      restoreSibling: true,
      execCmd: ['sleep', '1'],
    };
    expect(encodeOptions('restore', options, OWN).opts).toEqual({
      images_dir_fd: 9,
      join_ns: [
        { ns: 'net', ns_file: '4121' },
        { ns: 'user', ns_file: '4121', extra_opt: '0,0' },
      ],
      inherit_fd: [{ key: 'pipe:[123]', fd: 7 }],
      rst_sibling: true,
      exec_cmd: ['sleep', '1'],
    });
  });

  test('puts what only the command line of CRIU knows into config lines', () => {
    const options: DumpOptions = {
      actionScript: ['/opt/my scripts/a "b"', '/c'],
      ghostFiemap: true,
      fileValidation: 'filesize',
      libdir: '/usr/lib/criu',
      logPid: false,
      config: '/etc/my.conf',
      defaultConfig: false,
    };
    expect(encodeOptions('dump', options, OWN)).toEqual({
      opts: OWN,
      config: '/etc/my.conf',
      defaultConfig: false,
      configLines: [
        'no-log-pid',
        'libdir "/usr/lib/criu"',
        'action-script "/opt/my scripts/a \\"b\\""',
        'action-script "/c"',
        'ghost-fiemap',
        'file-validation "filesize"',
      ],
    });
  });

  test.each([
    ['a name that does not exist', { leaveRuning: true }, TypeError, 'Cannot dump: there is no option "leaveRuning"'],
    ['a name of Object.prototype', { toString: true }, TypeError, 'there is no option "toString"'],
    ['an option of another verb', { restoreSibling: true }, TypeError, 'option "restoreSibling" belongs to restore'],
    ['a string for a boolean', { leaveRunning: 'yes' }, TypeError, 'option "leaveRunning": true or false expected'],
    ['an absolute parent', { parent: '/a' }, RangeError, 'relative to the images directory, not "/a"'],
    ['a log file with a directory', { logFile: 'a/b' }, RangeError, 'a bare file name expected'],
    ['a fraction of a second', { timeoutSeconds: 0.5 }, TypeError, 'a whole number expected'],
    ['a ghost limit over 32 bits', { ghostLimit: 2 ** 32 }, RangeError, 'from 0 to 4294967295'],
    ['a lock that CRIU has not', { networkLock: 'ebpf' }, RangeError, 'one of iptables, nftables, skip expected'],
    ['one string for a list', { external: 'x' }, TypeError, 'an array expected'],
    ['a stray key in a mapping', { extMountMap: [{ key: 'a', val: 'b' }] }, TypeError, 'there is no "val"'],
    ['a line break for the config file', { libdir: '/a\nstream' }, RangeError, 'takes no line break'],
    ['NUL in a path', { cgroupYard: '/a\0b' }, TypeError, 'without NUL'],
  ])('refuses %s', (_, options, kind, message) => {
    const encode = (): unknown => encodeOptions('dump', options as DumpOptions, OWN);
    expect(encode).toThrow(kind);
    expect(encode).toThrow(message);
  });

  test('what it makes goes over the wire and back', () => {
    const model = fc.record(
      {
        leaveRunning: fc.boolean(),
        external: fc.array(
          fc.string({ unit: 'grapheme' }).filter((text) => !text.includes('\0')),
          { minLength: 1 },
        ),
        ghostLimit: fc.nat(),
        networkLock: fc.constantFrom('iptables', 'nftables', 'skip'),
        cpuCap: fc.subarray(['fpu', 'cpu', 'ins', 'image']),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(model, (options) => {
        const { opts } = encodeOptions('dump', options as DumpOptions, OWN);
        expect(decodeRequest(encodeRequest({ type: 'DUMP', opts })).opts).toEqual(opts);
      }),
    );
  });
});

test('assertTaken() names the CRIU that is needed', () => {
  const criu = { path: '/usr/sbin/criu', version: { major: 4, minor: 1 } };
  expect(() => assertTaken('dump', { leaveRunning: true }, criu)).not.toThrow();
  expect(() => assertTaken('dump', { allowUprobes: true }, { ...criu, version: { major: 4, minor: 2 } })).not.toThrow();
  try {
    assertTaken('dump', { allowUprobes: true }, criu);
    expect.unreachable();
  } catch (error) {
    expect(CheckpointError.is(error, 'CRIU_TOO_OLD')).toBe(true);
    expect(String(error)).toContain(
      'Cannot use option "allowUprobes": /usr/sbin/criu is CRIU 4.1, 4.2 or newer takes it',
    );
  }
});

test('every row tells its default and meaning in words fit for the documentation', () => {
  for (const [name, row] of Object.entries(OPTIONS)) {
    expect(row.text, name).toMatch(/^[A-Z0-9].*[^.]$/);
    expect(row.default, name).not.toBe('');
    expect(row.text + row.default, name).not.toContain('|');
  }
});
