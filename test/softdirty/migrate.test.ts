// Migrations where the kernel tells which pages were written.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { migrate } from '../../src/migrate/migrate.js';
import { CRIU_41, CRIU_42 } from '../helpers/criu-cli.js';
import { testWith } from '../helpers/needs.js';
import { waitGone } from '../helpers/procfs.js';
import { SOFT_DIRTY } from '../helpers/soft-dirty.js';
import { startTarget } from '../helpers/target.js';
import { tempDir } from '../helpers/temp-dir.js';
import { until } from '../helpers/until.js';

const MIB = 2 ** 20;
const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

// As helpers/second-host.ts, of what is built: an emulated processor takes a minute to compile a receiver.
async function startHost({ at }: { readonly at: string }): Promise<{ readonly address: string } & AsyncDisposable> {
  const flags = ['--pid', '--net', '--fork', '--kill-child', '--mount-proc'];
  // The shell is the first process there, and stays when the receiver has ended.
  const script = 'ip link set lo up; "$@"; sleep 600';
  const receiver = [process.execPath, MAIN, 'receive', '--listen', `unix:${at}`, '--json'];
  const child = spawn('unshare', [...flags, 'sh', '-c', script, 'sh', ...receiver], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout.on('data', (piece) => {
    said += String(piece);
  });
  await until('the second host listens', () => said.includes('listening'));
  return {
    address: `unix:${at}`,
    async [Symbol.asyncDispose]() {
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    },
  };
}

for (const criu of [CRIU_42, CRIU_41])
  testWith(
    [criu.here, SOFT_DIRTY],
    `writes are tracked by the kernel, and none is lost, CRIU ${criu.name}`,
    async () => {
      await using dir = tempDir();
      const control = join(dir.path, 'control');
      await using target = await startTarget('dirtier', [control, '16'], { control });
      await target.ask('run');
      await using host = await startHost({ at: join(dir.path, 'host') });
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
    await using host = await startHost({ at: join(dir.path, `host-${tracking}`) });
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
      await using host = await startHost({ at: join(dir.path, 'first') });
      const run = migrate(target.pid, { to: host.address, criu: CRIU_42.path, maxDowntimeMs: 1, signal: abort.signal });
      for await (const { phase } of run) {
        if (phase !== 'iterating') continue;
        abort.abort(new Error('enough'));
        break;
      }
      await expect(run.done).rejects.toMatchObject({ code: 'ABORTED' });
      expect((await target.ask<{ broken: number }>('verify')).broken).toBe(0);
    }
    await using host = await startHost({ at: join(dir.path, 'second') });
    await migrate(target.pid, { to: host.address, criu: CRIU_42.path, maxDowntimeMs: 20_000 }).done;
    expect((await target.ask<{ broken: number }>('verify')).broken).toBe(0);
  },
);
