// A tree that changes its memory faster than the link carries it, slowed down by its cgroup until it does not.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { migrate } from '../../src/migrate/migrate.js';
import type { MigrateOptions } from '../../src/migrate/source/options.js';
import { CRIU_42 } from '../helpers/criu-cli.js';
import { need, testWith } from '../helpers/needs.js';
import { waitGone } from '../helpers/procfs.js';
import { startHost } from '../helpers/second-host.js';
import { openSlowLink } from '../helpers/slow-link.js';
import { startTarget, type Target } from '../helpers/target.js';
import { tempDir } from '../helpers/temp-dir.js';
import { until } from '../helpers/until.js';

const ROOT = '/sys/fs/cgroup/cpu';
const QUOTA = 'cpu.cfs_quota_us';
const CPU_V1 = need('the cpu controller of cgroup v1', existsSync(ROOT) ? undefined : `there is no ${ROOT}`);
const MEGABYTES = 24;
const LINK = 16 * 2 ** 20;

interface Way extends AsyncDisposable {
  readonly address: string;
}

/** A receiver, which takes one migration, behind a slow link. */
async function startWay(folder: string): Promise<Way> {
  const at = join(folder, `way-${Math.random().toString(36).slice(2)}`);
  const host = await startHost({ at: `${at}-host` });
  const link = await openSlowLink(at, `${at}-host`, LINK);
  return {
    address: link.address,
    async [Symbol.asyncDispose]() {
      for (const each of [link, host]) await each[Symbol.asyncDispose]();
    },
  };
}

interface Group extends AsyncDisposable {
  readonly path: string;
  quota(): string;
  throttled(): number;
}

function makeGroup(): Group {
  const path = join(ROOT, `frazil-test-${process.pid}-${Math.random().toString(36).slice(2)}`);
  mkdirSync(path);
  // Whatever else this machine does: how busy the tree is is for the test to say.
  writeFileSync(join(path, 'cpu.shares'), '262144');
  return {
    path,
    quota: () => readFileSync(join(path, QUOTA), 'utf8').trim(),
    throttled: () => Number(/^nr_throttled (\d+)$/m.exec(readFileSync(join(path, 'cpu.stat'), 'utf8'))?.[1]),
    async [Symbol.asyncDispose]() {
      await until('the cgroup is empty', () => readFileSync(join(path, 'cgroup.procs'), 'utf8') === '');
      rmdirSync(path);
    },
  };
}

/** It spends 60 microseconds of a processor on each page: 65 MiB in a second of its own. */
async function startBusy(control: string, group: Group): Promise<Target> {
  const through = ['sh', '-c', 'echo $$ >"$0/cgroup.procs"; exec "$@"', group.path];
  const target = await startTarget('dirtier', [control, String(MEGABYTES)], { control, through });
  await target.ask('work 60');
  await target.ask('run');
  return target;
}

const CASE: Pick<MigrateOptions, 'compress' | 'streams' | 'maxDowntimeMs'> = {
  compress: 'none',
  streams: 1,
  maxDowntimeMs: 1000,
};

testWith([CRIU_42.here, CPU_V1], 'it converges with a throttle, and not without', async () => {
  await using dir = tempDir();
  const control = join(dir.path, 'control');
  await using group = makeGroup();
  await using target = await startBusy(control, group);
  const before = group.quota();
  await using first = await startWay(dir.path);
  await using second = await startWay(dir.path);
  const options = { ...CASE, to: first.address, criu: CRIU_42.path };
  await expect(migrate(target.pid, options).done).rejects.toMatchObject({
    code: 'NOT_CONVERGING',
    detail: { why: 'diverging' },
  });
  expect(group.throttled()).toBe(0);
  const pids = target.tree();
  const { iterations } = await migrate(target.pid, { ...options, to: second.address, throttle: { max: 0.95 } }).done;
  await waitGone(pids);
  const shares = iterations.map(({ throttle }) => throttle);
  // The first ones at full speed, then less and less, and the frozen tree none.
  expect(shares.slice(0, 2)).toEqual([0, 0]);
  expect(shares.at(-1)).toBe(0);
  expect(Math.max(...shares)).toBeGreaterThanOrEqual(0.2);
  expect(group.throttled()).toBeGreaterThan(0);
  expect(group.quota()).toBe(before);
  const { pages, broken } = await target.ask<{ pages: number; broken: number }>('verify');
  expect({ pages, broken }).toEqual({ pages: (MEGABYTES * 2 ** 20) / 4096, broken: 0 });
});

testWith(
  [CRIU_42.here, CPU_V1],
  'after an abort, or a SIGKILL of who migrates it, it has its full speed again',
  async () => {
    await using dir = tempDir();
    const control = join(dir.path, 'control');
    await using group = makeGroup();
    await using target = await startBusy(control, group);
    const before = group.quota();
    await using first = await startWay(dir.path);
    await using second = await startWay(dir.path);
    const options = {
      ...CASE,
      to: first.address,
      criu: CRIU_42.path,
      maxDowntimeMs: 1,
      throttle: { max: 0.95 },
    } as const;
    const abort = new AbortController();
    const run = migrate(target.pid, { ...options, signal: abort.signal });
    const limited = (): Promise<true> => until('it is slowed down', () => group.quota() !== before, 60_000);
    await limited();
    abort.abort(new Error('enough'));
    await expect(run.done).rejects.toMatchObject({ code: 'ABORTED' });
    expect(group.quota()).toBe(before);
    const source = startSource(target.pid, { ...options, to: second.address });
    const ended = once(source, 'exit');
    await limited();
    source.kill('SIGKILL');
    await ended;
    await until('it is given back', () => group.quota() === before);
    const held = group.throttled();
    const from = await target.ask<{ touched: number }>('pause');
    await target.ask('run');
    await until('it works on', async () => (await touched(target)) > from.touched);
    expect(group.throttled()).toBe(held);
  },
);

testWith([CRIU_42.here], 'a tree that is not alone in its cgroup is refused before anything happens', async () => {
  await using dir = tempDir();
  const control = join(dir.path, 'control');
  await using target = await startTarget('dirtier', [control, '1'], { control });
  const options = { to: `unix:${join(dir.path, 'nobody')}`, criu: CRIU_42.path, throttle: { max: 0.5 } };
  await expect(migrate(target.pid, options).done).rejects.toMatchObject({
    code: 'FEATURE_MISSING',
    detail: { option: 'throttle' },
    message: expect.stringMatching(/its cgroup ".*" has other processes in it, too: \d+/),
  });
});

async function touched(target: Target): Promise<number> {
  const { touched: count } = await target.ask<{ touched: number }>('pause');
  await target.ask('run');
  return count;
}

function startSource(pid: number, options: object): ChildProcess {
  const here = (name: string): string => fileURLToPath(new URL(`../helpers/${name}`, import.meta.url));
  const given = JSON.stringify({ pid, options });
  return spawn(process.execPath, ['--import', here('ts-hooks.mjs'), here('migrate-program.ts'), given], {
    stdio: ['ignore', 'ignore', 'ignore'],
  });
}
