// The target programs themselves, with the plain criu: what fails here is not Frazil's fault, and says what a green test of
// a verb is worth.

import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { CRIUS, type RealCriu, runCriu } from '../helpers/criu-cli.js';
import { need, testWith } from '../helpers/needs.js';
import { fdsOf, treeOf, waitGone } from '../helpers/procfs.js';
import { programOf, python, startCommand, startTarget, type Target, type TargetName } from '../helpers/target.js';
import { tempDir } from '../helpers/temp-dir.js';

/** Dumps and kills the target, and restores it, in `images`. */
async function roundTrip(criu: RealCriu, target: Target, images: string, args: readonly string[]): Promise<void> {
  const pids = treeOf(target.pid);
  await runCriu(criu, 'dump', images, ['-t', String(target.pid), ...args]);
  expect(target.alive()).toBe(false);
  await waitGone(pids);
  await runCriu(criu, 'restore', images, ['-d', ...args]);
}

const CHECKING: readonly { name: TargetName; args: readonly string[] }[] = [
  { name: 'tree', args: ['--file-locks'] },
  { name: 'mappings', args: [] },
];

describe.each(CRIUS)('with criu $name', (criu) => {
  for (const { name, args } of CHECKING) {
    testWith([criu.here], `the ${name} target finds everything in place after a restore`, async () => {
      await using dir = tempDir();
      const control = join(dir.path, 'control');
      await using target = await startTarget(name, [control, dir.folder('files')], { control });
      expect((await target.verify()).failed).toEqual([]);
      await roundTrip(criu, target, dir.folder('images'), args);
      expect((await target.verify()).failed).toEqual([]);
    });
  }

  testWith([criu.here], 'the memory target has the same digest and ticking threads after a restore', async () => {
    await using dir = tempDir();
    const control = join(dir.path, 'control');
    await using target = await startTarget('memory', [control, '32', '8', '10'], { control });
    const before = await target.ask('digest');
    await roundTrip(criu, target, dir.folder('images'), []);
    expect(await target.ask('digest')).toEqual(before);
    expect(await target.ask('threads')).toEqual({ threads: 8, alive: 8 });
  });
});

describe('a target can fail', () => {
  test.each([
    ['tree', 15],
    ['mappings', 6],
  ] as const)('the %s target notices what was spoilt', async (name, atLeast) => {
    await using dir = tempDir();
    const control = join(dir.path, 'control');
    await using target = await startTarget(name, [control, dir.folder('files')], { control });
    await target.ask('spoil');
    expect((await target.verify()).failed.length).toBeGreaterThanOrEqual(atLeast);
  });

  test('the namespaces target notices what was spoilt', async () => {
    await using dir = tempDir();
    const root = dir.folder('root');
    await using target = await startTarget('namespaces', [root, 'inet'], { control: join(root, 'control') });
    expect(await target.verify()).toEqual({ checks: 12, failed: [] });
    await target.ask('spoil');
    expect((await target.verify()).failed).toContain('inside: host name');
  });
});

describe('a target starts clean', () => {
  test('C programs have nothing open but /dev/null and their control socket', async () => {
    await using dir = tempDir();
    const control = join(dir.path, 'control');
    await using target = await startTarget('memory', [control, '1', '1', '0'], { control });
    expect(fdsOf(target.pid)).toEqual({
      0: '/dev/null',
      1: '/dev/null',
      2: '/dev/null',
      3: expect.stringMatching(/^socket:/),
    });
  });

  const interpreter = python();
  testWith([need('python3', interpreter === undefined && 'not installed')], 'so has Python', async () => {
    await using dir = tempDir();
    const control = join(dir.path, 'control');
    const script = new URL('../helpers/targets/compute.py', import.meta.url).pathname;
    await using target = await startCommand([interpreter ?? '', script, control], { control });
    expect(Object.keys(fdsOf(target.pid))).toEqual(['0', '1', '2', '3']);
  });

  test('kill() leaves nobody, also not those that started a session of their own', async () => {
    await using dir = tempDir();
    const control = join(dir.path, 'control');
    const target = await startTarget('tree', [control, dir.folder('files')], { control });
    const pids = target.tree();
    expect(pids).toHaveLength(5);
    await target.kill();
    await waitGone(pids);
  });
});

test('every target program compiles without a warning', async () => {
  // The lab's guest shares what is compiled here; there, a compiler runs ten times slower.
  const names: TargetName[] = [
    'clean',
    'dirtier',
    'extents',
    'job',
    'mappings',
    'memory',
    'namespaces',
    'rarities',
    'terminal',
    'tree',
  ];
  const programs = await Promise.all(names.map(programOf));
  expect(programs).toHaveLength(names.length);
});
