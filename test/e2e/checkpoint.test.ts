// Checkpoint archives: what GNU tar takes out of them, plain criu restores. And the promise of a failure: no file under the final
// name, what was there before is untouched, the tree runs on.

import { execFile, execFileSync, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect } from 'vitest';
import { archive } from '../../src/archive/archive.js';
import { INDEX_TAIL_BYTES, parseIndex, parseIndexTail } from '../../src/archive/frazil-index.js';
import { END_BYTES } from '../../src/archive/tar/head.js';
import { type CheckpointCall, type CheckpointReport, dump } from '../../src/criu/dump.js';
import { CRIU_42, CRIUS, type RealCriu, runCriu } from '../helpers/criu-cli.js';
import { watchLeaks } from '../helpers/leaks.js';
import { need, testWith } from '../helpers/needs.js';
import { at, DUMP_POINTS } from '../helpers/points.js';
import { waitGone } from '../helpers/procfs.js';
import { startTarget, type Target } from '../helpers/target.js';
import { type TempDir, tempDir } from '../helpers/temp-dir.js';

interface Stage extends AsyncDisposable {
  readonly dir: TempDir;
  readonly target: Target;
  readonly digest: unknown;
}

async function stage(megabytes = 24): Promise<Stage> {
  const dir = tempDir();
  const control = join(dir.path, 'control');
  const target = await startTarget('memory', [control, String(megabytes), '3', '10'], { control });
  return {
    dir,
    target,
    digest: await target.ask('digest'),
    async [Symbol.asyncDispose]() {
      await target.kill();
      await dir[Symbol.asyncDispose]();
    },
  };
}

/** Dumps the target into `file`, and ends what still runs of it. */
async function checkpoint(
  { target }: Pick<Stage, 'target'>,
  file: string,
  call: Omit<CheckpointCall, 'to'>,
): Promise<CheckpointReport> {
  const pids = target.tree();
  const report = await dump(target.pid, { to: archive(file), ...call }).done;
  if (call.leaveRunning === true) await target.kill();
  await waitGone(pids);
  return report;
}

/** By GNU tar, and by criu alone. */
async function restoreByHand(criu: RealCriu, dir: TempDir, file: string, tarOptions: readonly string[]): Promise<void> {
  const out = dir.folder('out');
  await promisify(execFile)('tar', [...tarOptions, '-xf', file, '-C', out]);
  await runCriu(criu, 'restore', join(out, 'checkpoint'), ['-d']);
}

/** The tree is as before, and there is nothing in the folder that was not there. */
async function expectUntouched({ target, digest }: Stage, folder: string, names: readonly string[]): Promise<void> {
  expect(target.alive()).toBe(true);
  expect(await target.ask('digest')).toEqual(digest);
  expect(readdirSync(folder)).toEqual(names);
}

function inPath(program: string): boolean {
  return (process.env['PATH'] ?? '').split(':').some((folder) => existsSync(join(folder, program)));
}

const LZ4 = need('the program lz4, for GNU tar', !inPath('lz4') && 'not in PATH');
const FORMS = [
  { suffix: 'tar', tarOptions: [], needs: [] },
  { suffix: 'tar.zst', tarOptions: ['--zstd'], needs: [] },
  { suffix: 'tar.lz4', tarOptions: ['-I', 'lz4'], needs: [LZ4] },
  { suffix: 'tar.gz', tarOptions: ['-z'], needs: [] },
] as const;

describe.each(CRIUS)('with criu $name', (criu) => {
  for (const { suffix, tarOptions, needs } of FORMS) {
    for (const leaveRunning of [true, false]) {
      const title = `.${suffix}, leaveRunning ${leaveRunning}: tar and criu restore give every byte back`;
      testWith([criu.here, ...needs], title, async () => {
        await using scene = await stage();
        const folder = scene.dir.folder('a');
        const leaks = watchLeaks();
        // By itself it would spare a machine with slow memory the absorbing.
        const absorb = leaveRunning ? 'always' : 'auto';
        const report = await checkpoint(scene, join(folder, `x.${suffix}`), { criu: criu.path, leaveRunning, absorb });
        await leaks.expectNothingLeft(folder);
        expect(report.store.kind).toBe(leaveRunning ? 'memory' : 'archive');
        // Its zero pages stand alone. Straight into a file those count that become holes.
        if (leaveRunning || suffix !== 'tar') expect(report.zeroPages).toBeGreaterThan(0);
        await restoreByHand(criu, scene.dir, report.archive, tarOptions);
        expect(await scene.target.ask('digest')).toEqual(scene.digest);
        expect(await scene.target.ask('threads')).toEqual({ threads: 3, alive: 3 });
      });
    }
  }

  testWith([criu.here], 'a tree of several processes with shared memory comes back', async () => {
    await using dir = tempDir();
    const control = join(dir.path, 'control');
    await using target = await startTarget('tree', [control, dir.folder('files')], { control });
    const { archive: file } = await checkpoint({ target }, join(dir.path, 'x.tar.zst'), {
      criu: criu.path,
      fileLocks: true,
    });
    const out = dir.folder('out');
    execFileSync('tar', ['--zstd', '-xf', file, '-C', out]);
    await runCriu(criu, 'restore', join(out, 'checkpoint'), ['-d', '--file-locks']);
    expect((await target.verify()).failed).toEqual([]);
  });
});

describe('the index', () => {
  testWith([CRIU_42.here], 'leads to every member of an uncompressed archive, pages at multiples of 4096', async () => {
    await using scene = await stage(8);
    const { archive: file, archiveBytes } = await checkpoint(scene, join(scene.dir.path, 'x.tar'), {});
    const out = scene.dir.folder('out');
    execFileSync('tar', ['-xf', file, '-C', out]);
    const bytes = readFileSync(file);
    expect(bytes.length).toBe(archiveBytes);
    const tailAt = bytes.length - END_BYTES - INDEX_TAIL_BYTES;
    const tail = parseIndexTail(bytes.subarray(tailAt, tailAt + INDEX_TAIL_BYTES));
    const from = tail?.at ?? 0;
    const { members, profile } = parseIndex(bytes.subarray(from, from + (tail?.bytes ?? 0)), file);
    expect(profile).toBe('neutral');
    for (const { name, at: begins, bytes: length, pagesId } of members) {
      expect(bytes.subarray(begins, begins + length).equals(readFileSync(join(out, name)))).toBe(true);
      if (pagesId !== undefined) expect(begins % 4096).toBe(0);
    }
    const images = readdirSync(join(out, 'checkpoint')).map((name) => `checkpoint/${name}`);
    expect(
      members
        .map(({ name }) => name)
        .filter((name) => name.startsWith('checkpoint/'))
        .sort(),
    ).toEqual(images.sort());
  });
});

describe('a stream', () => {
  for (const absorb of ['always', 'never'] as const) {
    testWith([CRIU_42.here], `absorb ${absorb}: a pipe gets an archive that tar reads`, async () => {
      await using scene = await stage();
      const out = scene.dir.folder('out');
      const tar = spawn('tar', ['--zstd', '-x', '-C', out], { stdio: ['pipe', 'ignore', 'inherit'] });
      const ended = new Promise((resolve) => tar.on('close', resolve));
      const pipe = pipeOf(tar.stdin);
      const to = archive({ fd: pipe }, { compress: 'zstd' });
      const report = await dump(scene.target.pid, { to, leaveRunning: true, absorb }).done;
      tar.stdin.end();
      expect(await ended).toBe(0);
      expect(report.store.kind).toBe(absorb === 'always' ? 'memory' : 'disk');
      expect(report.bytesSpilled).toBe(absorb === 'always' ? 0 : report.bytesReceived);
      await scene.target.kill();
      await runCriu(CRIU_42, 'restore', join(out, 'checkpoint'), ['-d']);
      expect(await scene.target.ask('digest')).toEqual(scene.digest);
    });
  }

  testWith([CRIU_42.here], 'whose reader goes away leaves the tree running, killed or not', async () => {
    await using scene = await stage();
    for (const leaveRunning of [true, false]) {
      const reader = spawn('head', ['-c', '100000'], { stdio: ['pipe', 'ignore', 'inherit'] });
      reader.stdin.on('error', () => {});
      const failed = dump(scene.target.pid, { to: archive({ fd: pipeOf(reader.stdin) }), leaveRunning }).done;
      await expect(failed).rejects.toMatchObject({ code: 'IO', detail: { errno: 'EPIPE' } });
      reader.stdin.destroy();
      await expectUntouched(scene, scene.dir.folder('none'), []);
    }
  });
});

describe('a failure', () => {
  for (const suffix of ['tar', 'tar.zst']) {
    testWith([CRIU_42.here], `ENOSPC: a full disk leaves no .${suffix}, and the tree running`, async () => {
      await using scene = await stage();
      const folder = scene.dir.folder('full');
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', folder]);
      try {
        for (const leaveRunning of [true, false]) {
          const failed = dump(scene.target.pid, { to: archive(join(folder, `x.${suffix}`)), leaveRunning }).done;
          await expect(failed).rejects.toMatchObject({ code: 'IO', detail: { errno: 'ENOSPC' } });
          await expectUntouched(scene, folder, []);
        }
      } finally {
        execFileSync('umount', [folder]);
      }
    });
  }

  testWith([CRIU_42.here], 'an abort at every point and at any moment leaves what was there before', async () => {
    await using scene = await stage();
    const folder = scene.dir.folder('a');
    const file = join(folder, 'x.tar.zst');
    writeFileSync(file, 'of yesterday');
    const to = archive(file, { replace: true });
    const leaks = watchLeaks();
    for (const leaveRunning of [true, false]) {
      for (const point of DUMP_POINTS) {
        const controller = new AbortController();
        const { notify } = at(point, () => controller.abort());
        const run = dump(scene.target.pid, { to, leaveRunning, notify, signal: controller.signal });
        await expect(run.done).rejects.toMatchObject({ code: 'ABORTED' });
        await expectUntouched(scene, folder, ['x.tar.zst']);
      }
      for (let ms = 5; ms < 200; ms += 30) {
        const signal = AbortSignal.timeout(ms);
        const outcome = await dump(scene.target.pid, { to, leaveRunning: true, signal }).done.catch((error) => error);
        // One that was too late has made a whole archive.
        if (outcome.code === undefined) execFileSync('tar', ['--zstd', '-tf', file]);
        else expect([outcome.code, readFileSync(file, 'utf8')]).toEqual(['ABORTED', 'of yesterday']);
        writeFileSync(file, 'of yesterday');
        await expectUntouched(scene, folder, ['x.tar.zst']);
      }
    }
    await leaks.expectNothingLeft(folder);
  });

  testWith(
    [CRIU_42.here],
    'an archive that is there is replaced only when that is allowed, and only as a whole',
    async () => {
      await using scene = await stage(4);
      const file = join(scene.dir.folder('a'), 'x.tar');
      writeFileSync(file, 'of yesterday');
      const refused = dump(scene.target.pid, { to: archive(file), leaveRunning: true }).done;
      await expect(refused).rejects.toMatchObject({ code: 'IMAGES_EXIST' });
      expect(readFileSync(file, 'utf8')).toBe('of yesterday');
      const to = archive(file, { replace: true });
      await dump(scene.target.pid, { to, leaveRunning: true, sync: true }).done;
      execFileSync('tar', ['-tf', file]);
    },
  );
});

// The fd below a stream of Node's, which has no public name for it.
function pipeOf(stream: object): number {
  const handle: unknown = Reflect.get(stream, '_handle');
  const fd: unknown = typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'fd') : undefined;
  if (typeof fd !== 'number') throw new Error('the stream has no fd');
  return fd;
}
