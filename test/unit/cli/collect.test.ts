import { describe, expect, it } from 'vitest';
import { collect, ValueError } from '../../../src/cli/parse/collect.js';
import { getopt } from '../../../src/cli/parse/getopt.js';
import { CRIU_OPTIONS } from '../../../src/cli/parse/grammar.js';
import { settle } from '../../../src/cli/parse/settings.js';
import type { Operation } from '../../../src/options/types.js';

const read = (operation: Operation, ...argv: string[]) =>
  collect(operation, settle(getopt(argv, { long: CRIU_OPTIONS }).occurrences));

describe('collect() turns flags into the options of a verb', () => {
  it.each<[Operation, string[], object]>([
    ['dump', ['-R'], { leaveRunning: true }],
    ['dump', ['-s', '-R'], { leaveRunning: true }],
    ['dump', ['-R', '-s', '-R'], { leaveRunning: true }],
    ['dump', ['-R', '-s'], { leaveStopped: true }],
    ['dump', ['--tcp-established', '--no-tcp-established'], { tcpEstablished: false }],
    ['dump', ['-v'], { logLevel: 3 }],
    ['dump', ['-v', '-v'], { logLevel: 4 }],
    ['dump', ['-vv'], { logLevel: 4 }],
    ['dump', ['-v4', '-v1'], { logLevel: 1 }],
    ['dump', ['--ghost-limit', '10M'], { ghostLimit: 10 * 2 ** 20 }],
    ['dump', ['--external', 'a', '--external', 'b'], { external: ['a', 'b'] }],
    ['dump', ['-x5,6', '--external', 'a'], { extUnixSk: true, external: ['unix[5]', 'unix[6]', 'a'] }],
    ['dump', ['-M', 'auto', '-M', '/x:y'], { autoExtMount: true, extMountMap: [{ key: '/x', value: 'y' }] }],
    ['dump', ['--cpu-cap'], { cpuCap: ['fpu', 'cpu', 'ins'] }],
    ['dump', ['--cpu-cap=cpu'], { cpuCap: ['fpu', 'cpu', 'ins'] }],
    ['dump', ['--cpu-cap=^fpu'], { cpuCap: ['ins'] }],
    ['dump', ['--manage-cgroups'], { manageCgroups: 'soft' }],
    ['dump', ['--manage-cgroups=ignore'], { manageCgroups: 'ignore' }],
    ['dump', ['--network-lock', 'nftables'], { networkLock: 'nftables' }],
    ['dump', ['--action-script', 'a', '--action-script', 'b'], { actionScript: ['a', 'b'] }],
    ['dump', ['--no-ghost-fiemap'], { ghostFiemap: false }],
    ['preDump', ['--pre-dump-mode', 'read'], { preDumpMode: 'read' }],
    ['restore', ['--veth-pair', 'eth0=v0', '--external', 'a'], { external: ['veth[eth0]:v0', 'a'] }],
    [
      'restore',
      ['-J', 'net:12', '-J', 'user:3,0,0'],
      {
        joinNs: [
          { namespace: 'net', from: '12' },
          { namespace: 'user', from: '3', extra: '0,0' },
        ],
      },
    ],
    ['restore', ['--inherit-fd', 'fd[5]:socket[9]'], { inheritFd: [{ fd: 5, key: 'socket[9]' }] }],
    [
      'restore',
      ['--cgroup-root', 'cpu:/a', '--cgroup-root', '/b'],
      { cgroupRoot: [{ controller: 'cpu', path: '/a' }, { path: '/b' }] },
    ],
    ['restore', ['--empty-ns', 'net'], { emptyNs: ['net'] }],
  ])('%s %j', (operation, argv, options) => {
    expect(read(operation, ...argv).options).toEqual(options);
  });

  // Each seen with criu 4.2.1: status 1 before the tree is touched.
  it.each<[Operation, string[]]>([
    ['dump', ['--inherit-fd', 'xx']],
    ['dump', ['--veth-pair', 'xx']],
    ['dump', ['--join-ns', 'xx']],
    ['dump', ['--pre-dump-mode', 'xx']],
    ['restore', ['--pre-dump-mode', 'xx']],
    ['restore', ['--network-lock', 'xx']],
    ['dump', ['--port', 'xx']],
    ['restore', ['--port', 'xx']],
  ])('%s refuses a wrong value where it has no use for a right one: %j', (operation, argv) => {
    expect(() => read(operation, ...argv)).toThrow(ValueError);
  });

  it('takes what CRIU takes for options without use', () => {
    const argv = ['--timeout', 'xx', '--ghost-limit', '1X', '--network-lock', 'skip', '--irmap-scan-path', 'x'];
    expect(read('restore', ...argv).idle).toEqual(argv.filter((one) => one.startsWith('--')));
  });

  it('keeps the arguments of the verb apart', () => {
    expect(read('dump', '-t', ' 17', '-D', 'd', '-W', 'w', '-o', '/var/log/x')).toMatchObject({
      arguments: { tree: 17, imagesDir: 'd' },
      options: { workDir: 'w' },
      logPath: '/var/log/x',
    });
    expect(read('restore', '--daemon', '--pidfile', 'p').arguments).toEqual({ restoreDetached: true, pidfile: 'p' });
  });

  it('names what the operation has no use for', () => {
    expect(read('dump', '-t', '1', '-d', '--weak-sysctls', '--timeout', '3').idle).toEqual(['-d', '--weak-sysctls']);
  });

  it.each<[string[], string]>([
    [['-t', 'abc'], '-t: '],
    [['-t', '0'], '-t: '],
    [['--tree=12x'], '--tree: '],
    [['--ghost-limit', 'big'], '--ghost-limit: a size such as 64K, 1M or 1G expected, not "big"'],
    [['--cpu-cap=bogus'], '--cpu-cap: a list of cpu'],
    [['--network-lock', 'bogus'], '--network-lock: '],
    [['-M', 'nocolon'], '-M: '],
    [['--manage-cgroups=bogus'], '--manage-cgroups: '],
  ])('%j is refused by the name it was given', (argv, message) => {
    expect(() => read('dump', ...argv)).toThrow(ValueError);
    expect(() => read('dump', ...argv)).toThrow(message);
  });
});
