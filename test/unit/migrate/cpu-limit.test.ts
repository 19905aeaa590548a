// Where the cgroup of a tree is.

import { describe, expect, it } from 'vitest';
import { commonOf, cpuGroupOf, parseMounts } from '../../../src/migrate/source/cpu-limit.js';

describe('cpuGroupOf()', () => {
  it('takes the hierarchy of cpu where it has one of its own, and else the common one', () => {
    expect(cpuGroupOf('4:memory:/m\n1:cpu,cpuacct:/a/b\n0::/c\n')).toEqual({ version: 1, path: '/a/b' });
    expect(cpuGroupOf('4:cpuset:/m\n0::/c:d\n')).toEqual({ version: 2, path: '/c:d' });
    expect(cpuGroupOf('')).toEqual({ version: 2, path: '/' });
  });
});

describe('parseMounts()', () => {
  const text = [
    '11 32 0:29 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset',
    '12 33 0:30 /docker/x /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct',
    '20 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate',
  ].join('\n');

  it('finds the mounts of either version', () => {
    expect(parseMounts(text, 1)).toEqual([{ root: '/docker/x', at: '/sys/fs/cgroup/cpu,cpuacct' }]);
    expect(parseMounts(text, 2)).toEqual([{ root: '/', at: '/sys/fs/cgroup/unified' }]);
    expect(parseMounts('', 2)).toEqual([]);
  });
});

describe('commonOf()', () => {
  it('is what all paths begin with', () => {
    expect(commonOf(['/a/b/c', '/a/b', '/a/b/d'])).toBe('/a/b');
    expect(commonOf(['/a/bc', '/a/b'])).toBe('/a');
    expect(commonOf(['/a', '/b'])).toBe('/');
    expect(commonOf(['/a/b'])).toBe('/a/b');
    expect(commonOf([])).toBe('/');
  });
});
