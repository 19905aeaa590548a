import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type FlagSpec, flagsFor, redirected } from '../../../src/options/flags.js';
import { ARGUMENTS } from '../../../src/options/rows/own.js';
import { OPTIONS } from '../../../src/options/table.js';
import type { Operation } from '../../../src/options/types.js';
import { need, testWith } from '../../helpers/needs.js';

const OPERATIONS: readonly Operation[] = ['dump', 'preDump', 'restore', 'pageServer', 'check', 'cpuinfo'];

function spec(operation: Operation, flag: string): FlagSpec {
  const found = flagsFor(operation).find(({ flags }) => flags.includes(flag));
  if (found === undefined) throw new Error(`${operation} has no ${flag}`);
  return found;
}

describe('flagsFor()', () => {
  test.each(OPERATIONS)('gives %s no flag twice', (operation) => {
    const flags = flagsFor(operation).flatMap((one) => one.flags);
    expect(flags.toSorted()).toEqual([...new Set(flags)].toSorted());
  });

  test.each([
    ['dump', '-t', ['4121'], 4121],
    ['dump', '--ghost-limit', ['64K'], 65536],
    ['dump', '-v', [undefined], 3],
    ['dump', '-v', [undefined, undefined], 4],
    ['dump', '-v', ['v'], 4],
    ['dump', '-v', ['1'], 1],
    ['dump', '-v', ['9'], 4],
    ['dump', '--external', ['mnt[]:m', 'unix[5]'], ['mnt[]:m', 'unix[5]']],
    ['dump', '--enable-fs', ['a,b', 'c'], ['a', 'b', 'c']],
    ['dump', '--manage-cgroups', [undefined], 'soft'],
    ['dump', '--manage-cgroups', ['full'], 'full'],
    ['dump', '--no-default-config', [undefined], false],
    ['dump', '--cpu-cap', [undefined], ['fpu', 'cpu', 'ins']],
    ['dump', '--cpu-cap', ['all'], ['fpu', 'cpu', 'ins']],
    ['dump', '--cpu-cap', ['cpu'], ['fpu', 'cpu', 'ins']],
    ['dump', '--cpu-cap', ['^fpu'], ['ins']],
    ['dump', '--cpu-cap', ['^fpu,^ins'], []],
    ['dump', '--cpu-cap', ['^fpuins'], []],
    ['dump', '--cpu-cap', ['none'], []],
    ['dump', '--cpu-cap', ['none,cpu'], ['cpu']],
    ['dump', '--cpu-cap', ['^none'], ['fpu', 'cpu', 'ins']],
    ['dump', '--cpu-cap', ['^^fpu'], ['fpu', 'ins']],
    ['dump', '--cpu-cap', ['none', 'fpu'], ['fpu']],
    ['dump', '--cpu-cap', ['^all,cpu'], ['cpu']],
    ['dump', '-R', [undefined], true],
    ['restore', '-J', ['user:42,0,0'], [{ namespace: 'user', from: '42', extra: '0,0' }]],
    ['restore', '--inherit-fd', ['fd[5]:pipe:[123]'], [{ key: 'pipe:[123]', fd: 5 }]],
    ['restore', '--cgroup-root', ['cpu:/a', '/b'], [{ controller: 'cpu', path: '/a' }, { path: '/b' }]],
    ['restore', '-M', ['hosts:/etc/hosts'], [{ key: 'hosts', value: '/etc/hosts' }]],
  ] as const)('%s %s %j is %j', (operation, flag, occurrences, wanted) => {
    const { parse } = spec(operation, flag);
    const value = (occurrences as readonly (string | undefined)[]).reduce<unknown>(
      (before, text) => parse(text, before),
      undefined,
    );
    expect(value).toEqual(wanted);
  });

  test.each([
    ['dump', '-t', 'x'],
    ['dump', '--ghost-limit', '1T'],
    ['dump', '--network-lock', 'ebpf'],
    ['dump', '--cpu-cap', 'mmx'],
    ['dump', '--cpu-cap', 'image'],
    ['restore', '--inherit-fd', '5:pipe'],
    ['restore', '--join-ns', 'pid:42'],
    ['restore', '-M', 'hosts'],
  ] as const)('%s %s %s is refused', (operation, flag, text) => {
    expect(() => spec(operation, flag).parse(text, undefined)).toThrow(Error);
  });

  test('the same letter can mean another thing to another verb', () => {
    expect(spec('restore', '-d').name).toBe('restoreDetached');
    expect(spec('pageServer', '-d').name).toBe('daemon');
  });

  test('--ext-mount-map auto is autoExtMount', () => {
    expect(redirected('extMountMap', 'auto')).toEqual({ name: 'autoExtMount', value: true });
    expect(redirected('extMountMap', 'a:b')).toBeUndefined();
  });
});

// CRIU's own --help is the list that a script written for CRIU was written from.
const CRIU = join(process.env['FRAZIL_HOME'] ?? join(homedir(), '.cache', 'frazil'), 'criu', 'usr', 'sbin', 'criu');

testWith(
  [need('CRIU in the private prefix', !existsSync(CRIU) && `"${CRIU}" is not there`)],
  'every long flag that CRIU 4.2 lists has a row',
  async () => {
    const listed = [
      ...execFileSync(CRIU, ['--help'], { encoding: 'utf8' }).matchAll(/^\s+(?:-\w\|)?(--[a-z][a-z-]+)/gm),
    ];
    const ours = [...Object.values(OPTIONS), ...Object.values(ARGUMENTS)].flatMap(
      ({ flags }) => flags as readonly string[],
    );
    const known = new Set(ours);
    expect(listed.length).toBeGreaterThan(50);
    expect(listed.map(([, flag]) => flag).filter((flag) => flag === undefined || !known.has(flag))).toEqual([]);
  },
);
