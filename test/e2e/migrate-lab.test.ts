// A migration between two machines: kernels of their own, a cable between them, TLS over it.

import { join } from 'node:path';
import { expect, vi } from 'vitest';
import type { MigrateReport } from '../../src/migrate/source/options.js';
import { BUILT } from '../helpers/built.js';
import { CRIU_42 } from '../helpers/criu-cli.js';
import { bootLab, LAB } from '../helpers/lab/pair.js';
import { testWith } from '../helpers/needs.js';
import { programOf } from '../helpers/target.js';
import { tempDir } from '../helpers/temp-dir.js';

interface Verified {
  readonly pages: number;
  readonly broken: number;
}

interface Destination {
  readonly event: 'listening' | 'running' | 'gone';
  readonly address?: string;
  readonly token?: string;
  readonly pid?: number;
  readonly first?: Verified;
  readonly second?: Verified;
}

type Source = { readonly event: 'migrated' } & MigrateReport;

// Two emulated machines share two processors with whatever else runs here.
vi.setConfig({ testTimeout: 400_000 });

const MEGABYTES = 24;

// Its machines run what is built: an emulated processor compiles for minutes.
testWith([CRIU_42.here, LAB, BUILT], 'a program moves from one machine to another and loses no write', async () => {
  // Compiled here: the machines have no compiler to lose time with.
  const [clean, dirtier] = await Promise.all([programOf('clean'), programOf('dirtier')]);
  await using dir = tempDir();
  const cable = join(dir.path, 'cable');
  const control = '/run/frazil-lab/control';
  await using there = bootLab<Destination>({
    link: `listen:${cable}`,
    address: '10.79.0.2/24',
    program: 'destination.mjs',
    options: { control, listen: '10.79.0.2:0', criu: CRIU_42.path },
  });
  const command = [clean, dirtier, control, String(MEGABYTES)];
  const { address: to, token } = await there.event('listening');
  await using here = bootLab<Source>({
    link: `connect:${cable}`,
    address: '10.79.0.1/24',
    program: 'source.mjs',
    // An emulated processor is no measure of a downtime.
    options: { control, command, to, token, criu: CRIU_42.path, maxIterations: 2, whenDiverging: 'stop' },
  });
  const report = await here.event('migrated');
  const arrived = await there.event('running');
  expect(arrived.pid).toBe(report.pid);
  const whole = { pages: (MEGABYTES * 2 ** 20) / 4096, broken: 0 };
  expect([arrived.first, arrived.second]).toEqual([expect.objectContaining(whole), expect.objectContaining(whole)]);
  // These kernels tell which pages were written.
  expect(report).toMatchObject({ tracking: 'soft-dirty', mode: 'pre-copy' });
  expect(report.wireBytes).toBeGreaterThan(0);
  expect(await here.status()).toBe(0);
});
