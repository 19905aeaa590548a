// Migrations where the kernel tells which pages were written.

import { join } from 'node:path';
import { expect } from 'vitest';
import { migrate } from '../../src/migrate/migrate.js';
import { startBuiltHost } from '../helpers/built-host.js';
import { CRIU_41, CRIU_42 } from '../helpers/criu-cli.js';
import { testWith } from '../helpers/needs.js';
import { waitGone } from '../helpers/procfs.js';
import { SOFT_DIRTY } from '../helpers/soft-dirty.js';
import { startTarget } from '../helpers/target.js';
import { tempDir } from '../helpers/temp-dir.js';

const MIB = 2 ** 20;

for (const criu of [CRIU_42, CRIU_41])
  testWith(
    [criu.here, SOFT_DIRTY],
    `writes are tracked by the kernel, and none is lost, CRIU ${criu.name}`,
    async () => {
      await using dir = tempDir();
      const control = join(dir.path, 'control');
      await using target = await startTarget('dirtier', [control, '16'], { control });
      await target.ask('run');
      await using host = await startBuiltHost(join(dir.path, 'host'));
      const pids = target.tree();
      const options = { to: host.address, criu: criu.path, maxIterations: 3, whenDiverging: 'stop' } as const;
      const report = await migrate(target.pid, options).done;
      await waitGone(pids);
      expect(report).toMatchObject({ tracking: 'soft-dirty', mode: 'pre-copy' });
      expect(report.iterations.length).toBeGreaterThanOrEqual(3);
      const { pages, broken } = await target.ask<{ pages: number; broken: number }>('verify');
      expect({ pages, broken }).toEqual({ pages: (16 * MIB) / 4096, broken: 0 });
    },
  );

testWith([CRIU_42.here, SOFT_DIRTY], 'what was not written is neither sent nor looked at again', async () => {
  await using dir = tempDir();
  const control = join(dir.path, 'control');
  await using target = await startTarget('memory', [control, '48', '3', '10'], { control });
  const before = await target.ask('digest');
  const options = { criu: CRIU_42.path, maxDowntimeMs: 10_000 };
  for (const tracking of ['soft-dirty', 'digest'] as const) {
    await using host = await startBuiltHost(join(dir.path, `host-${tracking}`));
    const run = migrate(target.pid, {
      ...options,
      to: host.address,
      tracking,
      ...(tracking === 'soft-dirty' ? { dryRun: true } : {}),
    });
    const { iterations, ...report } = await run.done;
    expect(report.tracking).toBe(tracking);
    const [first, second] = iterations;
    expect(first?.bytes).toBeGreaterThan(48 * MIB);
    // By digest everything is looked at again.
    if (tracking === 'soft-dirty') expect(second?.bytes).toBeLessThan(4 * MIB);
    else expect(second?.bytes).toBeGreaterThan(48 * MIB);
    expect(second?.changedBytes).toBeLessThan(4 * MIB);
    // Here after the first, which moved nothing; there after the second.
    expect(await target.ask('digest')).toEqual(before);
  }
});

testWith(
  [CRIU_42.here, SOFT_DIRTY],
  'an abort between pre-dumps leaves the tree as it was, and it can move afterwards',
  async () => {
    await using dir = tempDir();
    const control = join(dir.path, 'control');
    await using target = await startTarget('dirtier', [control, '16'], { control });
    await target.ask('run');
    const abort = new AbortController();
    {
      await using host = await startBuiltHost(join(dir.path, 'first'));
      const run = migrate(target.pid, { to: host.address, criu: CRIU_42.path, maxDowntimeMs: 1, signal: abort.signal });
      for await (const { phase } of run) {
        if (phase !== 'iterating') continue;
        abort.abort(new Error('enough'));
        break;
      }
      await expect(run.done).rejects.toMatchObject({ code: 'ABORTED' });
      expect((await target.ask<{ broken: number }>('verify')).broken).toBe(0);
    }
    await using host = await startBuiltHost(join(dir.path, 'second'));
    await migrate(target.pid, { to: host.address, criu: CRIU_42.path, maxDowntimeMs: 20_000 }).done;
    expect((await target.ask<{ broken: number }>('verify')).broken).toBe(0);
  },
);

testWith(
  [CRIU_42.here, SOFT_DIRTY],
  'with hybrid what changed is found by digest all the same, and left behind',
  async () => {
    await using dir = tempDir();
    const control = join(dir.path, 'control');
    await using target = await startTarget('dirtier', [control, '16'], { control });
    await target.ask('run');
    await using host = await startBuiltHost(join(dir.path, 'host'));
    const pids = target.tree();
    const report = await migrate(target.pid, { to: host.address, criu: CRIU_42.path, mode: 'hybrid' }).done;
    await waitGone(pids);
    expect(report).toMatchObject({ tracking: 'digest', mode: 'hybrid' });
    expect(report.fill?.bytes).toBeGreaterThan(0);
    const { pages, broken } = await target.ask<{ pages: number; broken: number }>('verify');
    expect({ pages, broken }).toEqual({ pages: (16 * MIB) / 4096, broken: 0 });
  },
);
