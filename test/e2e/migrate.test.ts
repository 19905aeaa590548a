// Migrations between this host and a second one, with real CRIU on both sides.

import { execFileSync } from 'node:child_process';
import { appendFile, cp, readFile, readlink } from 'node:fs/promises';
import { arch } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { expect } from 'vitest';
import { cpuinfoDump } from '../../src/criu/ask.js';
import { preflight } from '../../src/migrate/destination/preflight.js';
import { migrate } from '../../src/migrate/migrate.js';
import { receive } from '../../src/migrate/receive.js';
import type { MigrateOptions } from '../../src/migrate/source/options.js';
import { PROTOCOL_VERSION } from '../../src/migrate/wire/messages.js';
import { ask } from '../helpers/ask.js';
import { CRIU_41, CRIU_42 } from '../helpers/criu-cli.js';
import { testWith } from '../helpers/needs.js';
import { waitGone } from '../helpers/procfs.js';
import { startHost } from '../helpers/second-host.js';
import { NO_SOFT_DIRTY } from '../helpers/soft-dirty.js';
import { startProgram, startTarget, textOf } from '../helpers/target.js';
import { tempDir } from '../helpers/temp-dir.js';
import { until } from '../helpers/until.js';

// On a busy machine the downtime that is aimed at may be out of reach.
const MODERATE: Omit<MigrateOptions, 'to'> = { maxDowntimeMs: 2000 };

// More iterations than are of use, so that the same pages travel again and again.
const PATCHED: Omit<MigrateOptions, 'to'> = {
  maxDowntimeMs: 1,
  maxIterations: 4,
  whenDiverging: 'stop',
  delta: 'always',
};
const WAYS: readonly (readonly [string, Omit<MigrateOptions, 'to'>])[] = [
  ['with a final dump alone', { maxIterations: 0 }],
  ['with iterations', MODERATE],
  ['with what differs of pages that were sent before', PATCHED],
];

for (const [how, options] of WAYS) {
  testWith([CRIU_42.here], `a tree with three threads moves ${how}, with every byte`, async () => {
    await using dir = tempDir();
    const control = join(dir.path, 'control');
    await using target = await startTarget('memory', [control, '48', '3', '10'], { control });
    const before = await target.ask('digest');
    const pids = target.tree();
    await using host = await startHost({ at: join(dir.path, 'host') });
    const report = await migrate(target.pid, { to: host.address, criu: CRIU_42.path, ...options }).done;
    await waitGone(pids);
    expect(report.pid).toBe(target.pid);
    expect((await host.event('running')).pid).toBe(target.pid);
    // It answers from there now.
    expect(await target.ask('digest')).toEqual(before);
    expect(await target.ask('threads')).toEqual({ threads: 3, alive: 3 });
    expect(report.downtimeMs).toBeGreaterThan(0);
    const parts = Object.values(report.downtime ?? {}).reduce((sum, ms) => sum + ms, 0);
    expect(parts).toBeCloseTo(report.downtimeMs ?? 0, 3);
    expect(report.downtime?.freeze).toBeGreaterThan(0);
    const delta = report.stages.find(({ stage }) => stage === 'delta');
    if (options === PATCHED) expect(delta?.carriedBytes).toBeLessThan((delta?.bytes ?? 0) / 4);
    expect(report.streams).toBeGreaterThan(0);
    if (options.maxIterations === 0) expect(report.iterations).toHaveLength(1);
    // The last level carries next to nothing: all is there already.
    else expect(report.iterations.at(-1)?.changedBytes).toBeLessThan(2 ** 20);
    expect((await host.event('ended')).event).toBe('ended');
  });
}

testWith([CRIU_42.here, NO_SOFT_DIRTY], 'a kernel that does not track writes is refused by name', async () => {
  await using dir = tempDir();
  await using target = await startTarget('memory', [join(dir.path, 'control'), '1', '1', '0'], {
    control: join(dir.path, 'control'),
  });
  await using host = await startHost({ at: join(dir.path, 'host') });
  const run = migrate(target.pid, { to: host.address, criu: CRIU_42.path, tracking: 'soft-dirty' });
  await expect(run.done).rejects.toMatchObject({ code: 'FEATURE_MISSING', detail: { option: 'tracking' } });
  const report = await migrate(target.pid, { to: host.address, criu: CRIU_42.path, dryRun: true }).done;
  expect(report).toMatchObject({ tracking: 'digest', trackingReason: expect.stringContaining('kernel') });
});

testWith([CRIU_42.here], 'no write is lost of a program that changes its pages all the time', async () => {
  await using dir = tempDir();
  const control = join(dir.path, 'control');
  await using target = await startTarget('dirtier', [control, '32'], { control });
  await target.ask('run');
  await using host = await startHost({ at: join(dir.path, 'host') });
  const report = await migrate(target.pid, {
    to: host.address,
    criu: CRIU_42.path,
    maxIterations: 4,
    whenDiverging: 'stop',
  }).done;
  expect(report.iterations.length).toBeGreaterThanOrEqual(2);
  const { pages, broken } = await target.ask<{ pages: number; broken: number }>('verify');
  expect(pages).toBe((32 * 2 ** 20) / 4096);
  expect(broken).toBe(0);
});

testWith([CRIU_42.here], 'shared memory of a tree in its own pid namespace travels while it runs', async () => {
  await using dir = tempDir();
  const control = join(dir.path, 'control');
  const megabytes = 12;
  const through = ['unshare', '--pid', '--ipc', '--fork', 'setsid'];
  await using target = await startTarget('shared', [control, String(megabytes)], { control, through });
  const pids = target.tree();
  expect(pids).toHaveLength(3);
  await using host = await startHost({ at: join(dir.path, 'host') });
  const { iterations } = await migrate(target.pid, { to: host.address, criu: CRIU_42.path, ...MODERATE }).done;
  await waitGone(pids);
  const shared = 3 * megabytes * 2 ** 20;
  // All three objects, each once: the private memory of three small processes is next to nothing.
  expect(iterations[0]?.bytes).toBeGreaterThan(shared);
  expect(iterations[0]?.bytes).toBeLessThan(shared * 1.3);
  // The final dump carries what has been counted since, of all that it looks at.
  expect(iterations.at(-1)?.bytes).toBeGreaterThan(shared);
  expect(iterations.at(-1)?.changedBytes).toBeLessThan(2 ** 20);
  const whole = { objects: 3, pages: shared / 4096, broken: 0, counting: 6 };
  expect(await target.ask('verify')).toEqual(whole);
});

testWith([CRIU_42.here], 'processes with shared memory, pipes, sockets and locks move together', async () => {
  await using dir = tempDir();
  await using elsewhere = tempDir();
  const control = join(dir.path, 'control');
  await using target = await startTarget('tree', [control, dir.folder('files')], { control });
  const pids = target.tree();
  // The other host has the files, too; the same ones would be locked by the tree here.
  const files = join(elsewhere.path, 'files');
  await cp(dir.path, files, { recursive: true, filter: (path) => path !== control });
  await using host = await startHost({ at: join(elsewhere.path, 'host'), binds: [[dir.path, files]] });
  await migrate(target.pid, { to: host.address, criu: CRIU_42.path, dump: { fileLocks: true }, ...MODERATE }).done;
  await waitGone(pids);
  const { failed } = await ask<{ failed: string[] }>(join(files, 'control'), 'verify');
  expect(failed).toEqual([]);
});

testWith([CRIU_42.here], 'a restore that fails there leaves the tree running here, and nothing there', async () => {
  await using dir = tempDir();
  const control = join(dir.path, 'control');
  await using elsewhere = tempDir();
  await using target = await startTarget('tree', [control, dir.folder('files')], { control });
  // A file that it writes has another length there: only CRIU finds out, because such a file may still grow here.
  const files = join(elsewhere.path, 'files');
  await cp(dir.path, files, { recursive: true, filter: (path) => path !== control });
  await appendFile(join(files, 'files/plain'), 'longer');
  await using host = await startHost({ at: join(elsewhere.path, 'host'), binds: [[dir.path, files]] });
  const before = await host.tasks();
  const run = migrate(target.pid, { to: host.address, criu: CRIU_42.path, dump: { fileLocks: true }, ...MODERATE });
  await expect(run.done).rejects.toMatchObject({ code: 'RESTORE_REFUSED' });
  expect(target.alive()).toBe(true);
  expect((await target.verify()).failed).toEqual([]);
  await host.event('ended');
  // The receiver and its guardian are ending.
  await until('nothing of the tree is there', async () => (await host.tasks()).length <= before.length);
});

testWith([CRIU_42.here], 'an abort while it iterates leaves the tree as it was', async () => {
  await using dir = tempDir();
  const control = join(dir.path, 'control');
  await using target = await startTarget('dirtier', [control, '64'], { control });
  await target.ask('run');
  await using host = await startHost({ at: join(dir.path, 'host') });
  const abort = new AbortController();
  const options = { to: host.address, criu: CRIU_42.path, maxDowntimeMs: 1, signal: abort.signal };
  const run = migrate(target.pid, options);
  for await (const { phase } of run) {
    if (phase !== 'iterating') continue;
    abort.abort(new Error('enough'));
    break;
  }
  await expect(run.done).rejects.toMatchObject({ code: 'ABORTED' });
  await pause(100);
  const { broken } = await target.ask<{ broken: number }>('verify');
  expect(broken).toBe(0);
  await host.event('gone');
});

testWith([CRIU_42.here], 'a tree that never converges is given up, and runs on', async () => {
  await using dir = tempDir();
  const control = join(dir.path, 'control');
  await using target = await startTarget('dirtier', [control, '32'], { control });
  await target.ask('run');
  await using host = await startHost({ at: join(dir.path, 'host') });
  const run = migrate(target.pid, { to: host.address, criu: CRIU_42.path, maxDowntimeMs: 1, maxIterations: 3 });
  await expect(run.done).rejects.toMatchObject({ code: 'NOT_CONVERGING' });
  expect((await target.ask<{ broken: number }>('verify')).broken).toBe(0);
});

testWith([CRIU_42.here], 'a dry run predicts, and moves nothing', async () => {
  await using dir = tempDir();
  const control = join(dir.path, 'control');
  await using target = await startTarget('memory', [control, '32', '2', '10'], { control });
  await using host = await startHost({ at: join(dir.path, 'host') });
  const report = await migrate(target.pid, { to: host.address, criu: CRIU_42.path, dryRun: true }).done;
  expect(report).toMatchObject({ mode: 'dry-run', pid: target.pid, downtimeMs: undefined });
  expect(report.predictedDowntimeMs).toBeGreaterThan(0);
  expect(report.iterations).toHaveLength(2);
  expect(target.alive()).toBe(true);
  await host.event('gone');
});

testWith([CRIU_42.here], 'over TCP it moves with a token, sealed, and without one not at all', async () => {
  await using dir = tempDir();
  const control = join(dir.path, 'control');
  await using target = await startTarget('memory', [control, '16', '2', '10'], { control });
  const before = await target.ask('digest');
  await using host = await startHost();
  const { address, token = '' } = host;
  expect(() => migrate(target.pid, { to: address, criu: CRIU_42.path })).toThrow(RangeError);
  const bare = migrate(target.pid, { to: address, criu: CRIU_42.path, plaintext: true });
  await expect(bare.done).rejects.toMatchObject({ code: 'PROTOCOL' });
  const report = await migrate(target.pid, { to: address, criu: CRIU_42.path, token, ...MODERATE }).done;
  expect(report.pid).toBe(target.pid);
  expect(await target.ask('digest')).toEqual(before);
});

testWith([CRIU_42.here], 'a host where a pid is taken says so before anything is sent', async () => {
  await using dir = tempDir();
  const control = join(dir.path, 'control');
  await using target = await startTarget('memory', [control, '8', '2', '10'], { control });
  await using here = await receive({ listen: `unix:${join(dir.path, 'here')}` });
  const run = migrate(target.pid, { to: here.address, criu: CRIU_42.path });
  await expect(run.done).rejects.toMatchObject({
    code: 'RESTORE_REFUSED',
    message: expect.stringContaining(`pid ${target.pid} is in use here`),
  });
  expect(await target.ask('threads')).toEqual({ threads: 2, alive: 2 });
});

for (const compress of ['lz4', 'zstd'] as const) {
  testWith([CRIU_42.here], `with ${compress} pages travel smaller, and arrive as they were`, async () => {
    await using dir = tempDir();
    const portFile = join(dir.path, 'port');
    const script = new URL('../helpers/targets/http-server.mjs', import.meta.url).pathname;
    const started = await startProgram([process.execPath, script, portFile], () => textOf(portFile));
    await using target = started.target;
    await using host = await startHost({ at: join(dir.path, 'host') });
    const report = await migrate(target.pid, { to: host.address, criu: CRIU_42.path, compress, ...MODERATE }).done;
    const [first] = report.iterations;
    const changed = first?.changedBytes ?? 0;
    expect(first?.packedBytes).toBeGreaterThan(changed / 2);
    expect(first?.bodyBytes).toBeLessThan(changed * 0.7);
    expect(report.wireBytes).toBeLessThan(changed);
    // A Node whose heap were not what it was would not get so far.
    const ask = `fetch('http://127.0.0.1:${started.ready}/there').then((it) => it.text()).then(console.log)`;
    const inside = ['-t', String(await host.first()), '-n', process.execPath, '-e', ask];
    expect(JSON.parse(execFileSync('nsenter', inside).toString())).toMatchObject({
      requests: 1,
      paths: { '/there': 1 },
    });
  });
}

testWith([CRIU_42.here], 'pages that do not compress, or need not be, travel as they are', async () => {
  await using dir = tempDir();
  const control = join(dir.path, 'control');
  await using target = await startTarget('memory', [control, '32', '1', '10'], { control });
  const before = await target.ask('digest');
  await using host = await startHost({ at: join(dir.path, 'host') });
  const report = await migrate(target.pid, { to: host.address, criu: CRIU_42.path, compress: 'lz4', ...MODERATE }).done;
  const [first] = report.iterations;
  expect(first?.packedBytes).toBeLessThan((first?.changedBytes ?? 0) / 4);
  expect(await target.ask('digest')).toEqual(before);
});

testWith([CRIU_42.here], 'a host with another program at the same path says so before anything is sent', async () => {
  await using dir = tempDir();
  await using elsewhere = tempDir();
  const control = join(dir.path, 'control');
  await using target = await startTarget('memory', [control, '8', '2', '10'], { control });
  const program = await readlink(`/proc/${target.pid}/exe`);
  const other = elsewhere.folder('programs');
  await cp(dirname(program), other, { recursive: true });
  await appendFile(join(other, basename(program)), 'newer');
  await using host = await startHost({ at: join(dir.path, 'host'), binds: [[dirname(program), other]] });
  const run = migrate(target.pid, { to: host.address, criu: CRIU_42.path });
  await expect(run.done).rejects.toMatchObject({
    code: 'RESTORE_REFUSED',
    message: expect.stringMatching(new RegExp(`"${program}" has \\d+ bytes here, and \\d+ where the tree runs`)),
  });
  expect(await target.ask('threads')).toEqual({ threads: 2, alive: 2 });
});

testWith([CRIU_42.here], 'a host without a file that the tree has open says so before anything is sent', async () => {
  await using dir = tempDir();
  await using elsewhere = tempDir();
  const control = join(dir.path, 'control');
  await using target = await startTarget('tree', [control, dir.folder('files')], { control });
  const binds = [[dir.path, elsewhere.folder('empty')]] as const;
  await using host = await startHost({ at: join(elsewhere.path, 'host'), binds });
  const run = migrate(target.pid, { to: host.address, criu: CRIU_42.path, dump: { fileLocks: true } });
  const message = expect.stringContaining(`which is not here. The tree runs on here`);
  await expect(run.done).rejects.toMatchObject({ code: 'RESTORE_REFUSED', message });
  expect((await target.verify()).failed).toEqual([]);
});

testWith([CRIU_42.here, CRIU_41.here], 'a host with an older CRIU says so before anything is sent', async () => {
  await using dir = tempDir();
  const control = join(dir.path, 'control');
  await using target = await startTarget('memory', [control, '8', '2', '10'], { control });
  await using host = await startHost({ at: join(dir.path, 'host'), criu: CRIU_41.path });
  const run = migrate(target.pid, { to: host.address, criu: CRIU_42.path });
  const message = expect.stringMatching(/CRIU is 4\.1[.\d]* here, older than the 4\.2/);
  await expect(run.done).rejects.toMatchObject({ code: 'RESTORE_REFUSED', message });
  expect(await host.event('gone')).toMatchObject({ message });
  expect(await target.ask('threads')).toEqual({ threads: 2, alive: 2 });
});

testWith([CRIU_42.here], 'processors are compared by CRIU', async () => {
  await using dir = tempDir();
  await cpuinfoDump({ imagesDir: dir.path, criu: CRIU_42.path });
  const ours = await readFile(join(dir.path, 'cpuinfo.img'));
  const asked = (cpuinfo: Buffer): Promise<string | undefined> =>
    preflight(
      {
        type: 'hello',
        version: PROTOCOL_VERSION,
        id: '0'.repeat(32),
        pid: 1,
        tasks: [],
        bytes: 0,
        maxBytes: 0,
        streams: 1,
        leaves: false,
        kernel: '',
        machine: arch(),
        facts: { criu: '4.0', cpuinfo: cpuinfo.toString('base64'), namespaces: [], files: [] },
        container: undefined,
      },
      { criu: CRIU_42.path, signal: new AbortController().signal },
    );
  expect(await asked(ours)).toBeUndefined();
  // The first features of the processor: all of them, and more than any has.
  const more = Buffer.from(ours);
  more.fill(0x7f, more.length - 16);
  expect(await asked(more)).toContain('the processor here is not like the one of the source');
});
