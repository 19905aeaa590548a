// frazil restore --lazy: its figures, its orders, and what is left to itself.

import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect } from 'vitest';
import { CRIU_42, runCriu } from '../helpers/criu-cli.js';
import { testWith } from '../helpers/needs.js';
import { waitGone } from '../helpers/procfs.js';
import { startTarget, type Target } from '../helpers/target.js';
import { tempDir } from '../helpers/temp-dir.js';
import { until } from '../helpers/until.js';
import { buildCli, runProgram, startProgram } from '../integration/cli/programs.js';

beforeAll(buildCli, 120_000);

const MEGABYTES = 64;

interface Lab {
  readonly target: Target;
  readonly cwd: string;
  restore(...argv: string[]): ReturnType<typeof runProgram>;
}

async function withCheckpoint(
  use: (lab: Lab) => Promise<void>,
  { reading = true, megabytes = MEGABYTES } = {},
): Promise<void> {
  await using dir = tempDir();
  dir.folder('images');
  const control = join(dir.path, 'control');
  await using target = await startTarget('faults', [control, String(megabytes)], { control });
  // It asks for its pages by itself from the first moment on.
  if (reading) await target.ask('read');
  const pids = target.tree();
  const cwd = dir.path;
  expect(await runProgram('frazil', ['dump', '-t', String(target.pid), '-D', 'images'], { cwd })).toMatchObject({
    status: 0,
  });
  await waitGone(pids);
  await use({ target, cwd, restore: (...argv) => runProgram('frazil', ['restore', '-D', 'images', ...argv], { cwd }) });
}

testWith([CRIU_42.here], '--json has the figures of the fill; --record and --replay bring back an order', async () => {
  await withCheckpoint(async ({ target, cwd, restore }) => {
    const recorded = await restore('--lazy', '-d', '--json', '--record', 'order.txt', '--fill-rate', '256M');
    expect(recorded).toMatchObject({ status: 0 });
    const report = JSON.parse(recorded.stdout);
    expect(report).toMatchObject({ pid: target.pid, imagesDir: join(cwd, 'images'), tasks: 1 });
    expect(report.firstInstructionMs).toBeGreaterThan(0);
    expect(report.filledMs).toBeGreaterThan(report.firstInstructionMs);
    expect(report.bytes.total).toBeGreaterThan(MEGABYTES * 2 ** 20);
    expect(report.bytes.copied + report.bytes.zero).toBeLessThanOrEqual(report.bytes.total);
    for (const figure of ['p50', 'p99', 'max']) expect(report.faultLatencyUs[figure]).toBeGreaterThanOrEqual(0);
    expect(await target.ask('check 4')).toEqual({ broken: 0 });
    const order = readFileSync(join(cwd, 'order.txt'), 'utf8');
    expect(order).toMatch(/^frazil-lazy-order 1\n(\d+ [0-9a-f]+ \d+\n)+$/);
    await target.kill();
    await waitGone([target.pid]);

    const slowly = ['--fill-rate', '256M', '--progress'];
    const replayed = await restore('--lazy', '-d', '--json', '--replay', 'order.txt', ...slowly);
    expect(await target.ask('check 4')).toEqual({ broken: 0 });
    const lines = replayed.stdout.trimEnd().split('\n');
    const events = lines.map((line) => JSON.parse(line));
    expect(events.pop().bytes.replayed).toBeGreaterThan(0);
    const filling = events.filter(({ phase }) => phase === 'filling');
    expect(filling.at(-1)).toMatchObject({
      event: 'progress',
      bytes: filling[0].totalBytes,
      faults: expect.any(Number),
      faultLatencyUs: { p50: expect.any(Number), p99: expect.any(Number), max: expect.any(Number) },
    });
    await target.kill();
    await waitGone([target.pid]);

    const refused = await restore('--lazy', '-d', '--json', '--replay', 'images/pstree.img');
    expect(refused.status).toBe(1);
    expect(JSON.parse(refused.stdout)).toMatchObject({ code: 'LAZY_FAILED' });
  });
});

testWith([CRIU_42.here], '--copies makes several trees, and --json has their pids and what they shared', async () => {
  // What the first copies ask for before the others run is shared with nobody.
  const idle = { reading: false };
  await withCheckpoint(async ({ target, restore }) => {
    const restored = await restore('--lazy', '--copies', '3', '-d', '--json');
    expect(restored).toMatchObject({ status: 0 });
    const { pids, bytes, tasks } = JSON.parse(restored.stdout);
    expect(new Set(pids).size).toBe(3);
    expect(tasks).toBeGreaterThanOrEqual(3);
    expect(bytes.total).toBeGreaterThan(3 * MEGABYTES * 2 ** 20);
    expect(bytes.shared).toBeGreaterThan(MEGABYTES * 2 ** 20);
    await target.kill();
    await waitGone(pids);

    for (const more of [
      ['--copies', '3'],
      ['--lazy', '--copies', 'all'],
      ['--lazy', '--copies', '2', '--pidfile', 'p'],
    ])
      expect(await restore(...more, '-d')).toMatchObject({ status: 2 });
  }, idle);
});

testWith([CRIU_42.here], 'twenty copies out of a compressed archive share what is read, and say so', async () => {
  await withCheckpoint(
    async ({ target, cwd, restore }) => {
      const packed = await runProgram('frazil', ['archive', 'create', '-D', 'images', '-o', 'a.tar.zst'], { cwd });
      expect(packed).toMatchObject({ status: 0 });
      const copies = ['--lazy', '--copies', '20', '-d'];
      const restored = await runProgram('frazil', ['restore', 'a.tar.zst', ...copies, '--json'], { cwd });
      expect(restored).toMatchObject({ status: 0 });
      const { pids, bytes } = JSON.parse(restored.stdout);
      expect(new Set(pids).size).toBe(20);
      // One copy's is read, and little more: what faults asked for, each for itself.
      expect(bytes.read).toBeLessThan(0.1 * bytes.total);
      expect(bytes.shared).toBeGreaterThan(0.9 * bytes.total);
      expect(bytes.cached).toBeGreaterThan(0);
      await target.kill();
      await waitGone(pids);

      // Nothing is kept of what has been decompressed, and all is right nevertheless.
      const uncached = await runProgram('frazil', ['restore', 'a.tar.zst', '--lazy', '-d', '--cache', '0'], { cwd });
      expect(uncached).toMatchObject({ status: 0, stderr: expect.stringMatching(/has all of its memory after/) });
      expect(await target.ask('check 4')).toEqual({ broken: 0 });
      const said = await restore('--lazy', '--copies', '1', '-d');
      expect(said.stderr).toMatch(/^Restored 1 copy of/);
      await target.kill();
      await waitGone([target.pid]);

      const filling = startProgram('frazil', ['restore', '-D', 'images', '--lazy', '-d', '--fill-rate', '4M'], { cwd });
      await until('it runs', () => filling.said().includes('Restored process'));
      process.kill(target.pid, 'SIGKILL');
      expect(await filling.ended).toMatchObject({ status: 0, stderr: expect.stringMatching(/ MiB given up, /) });
    },
    { reading: false, megabytes: 16 },
  );
});

testWith([CRIU_42.here], 'a Ctrl-C leaves the fill to itself, which then says in the log how it ended', async () => {
  await withCheckpoint(async ({ target, cwd }) => {
    const argv = ['restore', '-D', 'images', '--lazy', '-d', '--fill-rate', '32M', '--json', '--progress'];
    const running = startProgram('frazil', argv, { cwd });
    await until('it fills', () => target.alive());
    await until('it answers', async () => (await target.ask('check 1').catch(() => undefined)) !== undefined);
    running.child.kill('SIGINT');
    await running.ended;
    expect(await target.ask('check 4')).toEqual({ broken: 0 });
    const log = join(cwd, 'images/lazy-pages.log');
    await until('the log says it', () => readFileSync(log, 'utf8').includes('"event":"filled"'));
  });
});

testWith([], '--record without --lazy is a usage error', async () => {
  const { status, stderr } = await runProgram('frazil', ['restore', '-D', '.', '--record', 'x']);
  expect(status).toBe(2);
  expect(stderr).toContain('--record is about a lazy restore: give --lazy too');
});

testWith(
  [CRIU_42.here],
  'page-server --lazy-pages feeds restore --lazy --page-server, and lazy-pages --page-server',
  async () => {
    await withCheckpoint(async ({ target, cwd }) => {
      const once = async (
        fetch: (where: readonly string[]) => Promise<unknown>,
        more: readonly string[] = [],
      ): Promise<void> => {
        const argv = ['page-server', '--lazy-pages', '-D', 'images', '--address', '127.0.0.1', ...more];
        const serving = startProgram('frazil', argv, { cwd });
        const port = await until('it listens', () => /on port (\d+) of 127/.exec(serving.said())?.[1]);
        await fetch(['--page-server', '--address', '127.0.0.1', '--port', port]);
        expect(await target.ask('check 4')).toEqual({ broken: 0 });
        expect(await serving.ended).toMatchObject({
          status: 0,
          stderr: expect.stringMatching(/Served 6\d\.\d MiB in/),
        });
        await target.kill();
        await waitGone([target.pid]);
      };
      // From what --small has made, in which nothing is that may come lazily.
      await once(
        async (where) => {
          expect(statSync(join(cwd, 'small/pages-1.img')).blocks * 512).toBeLessThan(2 ** 20);
          const argv = ['restore', '-D', 'small', '--lazy', '-d', '--json', ...where];
          const restored = await runProgram('frazil', argv, { cwd });
          expect(restored).toMatchObject({ status: 0 });
          expect(JSON.parse(restored.stdout).bytes.total).toBeGreaterThan(MEGABYTES * 2 ** 20);
        },
        ['--small', 'small'],
      );
      await once(async (where) => {
        const images = join(cwd, 'images');
        const daemon = startProgram('frazil', ['lazy-pages', '-D', 'images', '--json', ...where], { cwd });
        await until('it listens', () => existsSync(join(images, 'lazy-pages.socket')));
        await runCriu(CRIU_42, 'restore', images, ['-d', '--lazy-pages']);
        expect(await daemon.ended).toMatchObject({ status: 0 });
      });
    });
  },
);
