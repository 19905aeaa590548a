import { expect, test } from 'vitest';
import { readRuncLine } from '../../../src/cli/parse/runc-line.js';

const LINES = [
  ['state ID', 'state', undefined],
  ['--root /run/x checkpoint ID', 'checkpoint', undefined],
  ['-root /run/x --debug checkpoint ID', 'checkpoint', undefined],
  ['--root=checkpoint restore ID', 'restore', undefined],
  ['--systemd-cgroup --log x --log-format json restore ID', 'restore', undefined],
  ['--rootless auto state checkpoint', 'state', undefined],
  ['--criu /opt/criu checkpoint ID', 'checkpoint', '/opt/criu'],
  ['-criu=/opt/criu checkpoint ID', 'checkpoint', '/opt/criu'],
  ['checkpoint --criu /opt/criu ID', 'checkpoint', undefined],
  ['--log', undefined, undefined],
  ['--version', undefined, undefined],
  ['', undefined, undefined],
  ['-- checkpoint', '--', undefined],
] as const;

test.each(LINES)('%s: the command is %s, --criu is %s', (line, command, criu) => {
  const read = readRuncLine(line === '' ? [] : line.split(' '));
  expect({ command: read.command, criu: read.criu }).toEqual({ command, criu });
});

test('the seat takes the place of the CRIU that is named, and of nothing else', () => {
  const seated = (line: string): string => readRuncLine(line.split(' ')).seated.join(' ');
  expect(seated('--criu /a --root /criu checkpoint /a')).toBe('--criu criu --root /criu checkpoint /a');
  expect(seated('-criu=/a checkpoint ID')).toBe('-criu=criu checkpoint ID');
  expect(seated('checkpoint --criu /a ID')).toBe('checkpoint --criu /a ID');
  expect(seated('--criu')).toBe('--criu');
});
