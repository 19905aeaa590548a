// Migrations that leave pages behind: the tree runs there, and its memory follows. With real CRIU on both sides.

import { join } from 'node:path';
import { expect } from 'vitest';
import { migrate } from '../../src/migrate/migrate.js';
import type { MigrateOptions } from '../../src/migrate/source/options.js';
import { CRIU_41, CRIU_42 } from '../helpers/criu-cli.js';
import { testWith } from '../helpers/needs.js';
import { waitGone } from '../helpers/procfs.js';
import { startHost } from '../helpers/second-host.js';
import { startTarget } from '../helpers/target.js';
import { tempDir } from '../helpers/temp-dir.js';

const MIB = 2 ** 20;

for (const mode of ['post-copy', 'hybrid'] as const) {
  testWith([CRIU_42.here], `with ${mode} a tree runs there before its memory, and gets every byte of it`, async () => {
    await using dir = tempDir();
    const control = join(dir.path, 'control');
    await using target = await startTarget('memory', [control, '48', '3', '10'], { control });
    const before = await target.ask('digest');
    const pids = target.tree();
    await using host = await startHost({ at: join(dir.path, 'host') });
    const report = await migrate(target.pid, { to: host.address, criu: CRIU_42.path, mode }).done;
    await waitGone(pids);
    expect(report).toMatchObject({ mode, pid: target.pid, predictionError: undefined });
    expect(report.iterations).toHaveLength(mode === 'hybrid' ? 2 : 1);
    // What is not zero of it.
    if (mode === 'post-copy') expect(report.fill?.leftBytes).toBeGreaterThan(40 * MIB);
    // All of it was there already.
    else expect(report.fill?.leftBytes).toBeLessThan(2 * MIB);
    expect(report.iterations.at(-1)?.wireBytes).toBeLessThan(MIB);
    expect(await target.ask('digest')).toEqual(before);
    expect(await target.ask('threads')).toEqual({ threads: 3, alive: 3 });
    expect((await host.event('ended')).event).toBe('ended');
  });

  testWith([CRIU_42.here], `with ${mode} no write is lost, before, between and while it is filled`, async () => {
    await using dir = tempDir();
    const control = join(dir.path, 'control');
    await using target = await startTarget('dirtier', [control, '32'], { control });
    await target.ask('run');
    await using host = await startHost({ at: join(dir.path, 'host') });
    const options = { to: host.address, criu: CRIU_42.path, mode };
    const run = migrate(target.pid, mode === 'hybrid' ? { ...options, maxIterations: 2 } : options);
    const phases = new Set<string>();
    for await (const { phase } of run) phases.add(phase);
    const report = await run.done;
    expect(report.mode).toBe(mode);
    expect(report.fill?.bytes).toBeGreaterThan(0);
    const { pages, broken } = await target.ask<{ pages: number; broken: number }>('verify');
    expect({ pages, broken }).toEqual({ pages: (32 * MIB) / 4096, broken: 0 });
  });

  testWith(
    [CRIU_42.here],
    `with ${mode} shared memory and several processes in a pid namespace of their own`,
    async () => {
      await using dir = tempDir();
      const control = join(dir.path, 'control');
      const megabytes = 12;
      const through = ['unshare', '--pid', '--ipc', '--fork', 'setsid'];
      await using target = await startTarget('shared', [control, String(megabytes)], { control, through });
      const pids = target.tree();
      await using host = await startHost({ at: join(dir.path, 'host') });
      const report = await migrate(target.pid, { to: host.address, criu: CRIU_42.path, mode }).done;
      await waitGone(pids);
      expect(report.mode).toBe(mode);
      const whole = { objects: 3, pages: (3 * megabytes * MIB) / 4096, broken: 0, counting: 6 };
      expect(await target.ask('verify')).toEqual(whole);
    },
  );

  testWith([CRIU_42.here], `with ${mode} over TCP pages are asked for through a tunnel`, async () => {
    await using dir = tempDir();
    const control = join(dir.path, 'control');
    await using target = await startTarget('memory', [control, '16', '2', '10'], { control });
    const before = await target.ask('digest');
    await using host = await startHost();
    const { address: to, token = '' } = host;
    const report = await migrate(target.pid, { to, criu: CRIU_42.path, token, mode }).done;
    expect(report.mode).toBe(mode);
    expect(await target.ask('digest')).toEqual(before);
  });
}

testWith([CRIU_41.here], 'with hybrid and CRIU 4.1 a tree gets what was there, and what was left behind', async () => {
  await using dir = tempDir();
  const control = join(dir.path, 'control');
  await using target = await startTarget('dirtier', [control, '32'], { control });
  await target.ask('run');
  await using host = await startHost({ at: join(dir.path, 'host'), criu: CRIU_41.path });
  const report = await migrate(target.pid, { to: host.address, criu: CRIU_41.path, mode: 'hybrid' }).done;
  expect(report.fill?.bytes).toBeGreaterThan(0);
  expect((await target.ask<{ broken: number }>('verify')).broken).toBe(0);
});

testWith([CRIU_42.here], 'a tree that never converges goes lazy as told', async () => {
  await using dir = tempDir();
  const control = join(dir.path, 'control');
  await using target = await startTarget('dirtier', [control, '32'], { control });
  await target.ask('run');
  await using host = await startHost({ at: join(dir.path, 'host') });
  const options: MigrateOptions = { to: host.address, criu: CRIU_42.path, maxDowntimeMs: 1, maxIterations: 3 };
  const report = await migrate(target.pid, { ...options, whenDiverging: 'lazy' }).done;
  expect(report.mode).toBe('hybrid');
  expect(report.iterations.length).toBeGreaterThan(2);
  expect((await target.ask<{ broken: number }>('verify')).broken).toBe(0);
});

testWith([CRIU_42.here], 'a tree that converges leaves nothing behind, whatever was allowed', async () => {
  await using dir = tempDir();
  const control = join(dir.path, 'control');
  await using target = await startTarget('memory', [control, '16', '2', '10'], { control });
  await using host = await startHost({ at: join(dir.path, 'host') });
  const options: MigrateOptions = { to: host.address, criu: CRIU_42.path, maxDowntimeMs: 60_000 };
  const report = await migrate(target.pid, { ...options, whenDiverging: 'lazy' }).done;
  expect(report).toMatchObject({ mode: 'pre-copy', fill: undefined });
  expect(await target.ask('threads')).toEqual({ threads: 2, alive: 2 });
});
