// What the command line adds to CRIU's: objects for programs, sentences for people, Ctrl-C.

import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect } from 'vitest';
import { CRIU_42 } from '../helpers/criu-cli.js';
import { testWith } from '../helpers/needs.js';
import { fdsOf, taskOf, waitGone } from '../helpers/procfs.js';
import { startTarget, type Target } from '../helpers/target.js';
import { tempDir } from '../helpers/temp-dir.js';
import { until } from '../helpers/until.js';
import {
  buildCli,
  PROGRAMS,
  type ProgramName,
  type Ran,
  runProgram,
  startProgram,
} from '../integration/cli/programs.js';

beforeAll(buildCli, 120_000);

interface Lab {
  readonly target: Target;
  readonly cwd: string;
  frazil(...argv: string[]): Promise<Ran>;
}

async function withLab(
  megabytes: number,
  use: (lab: Lab) => Promise<void>,
  through?: readonly string[],
): Promise<void> {
  await using dir = tempDir();
  dir.folder('images');
  const control = join(dir.path, 'control');
  await using target = await startTarget('memory', [control, String(megabytes), '2', '10'], {
    control,
    ...(through === undefined ? {} : { through }),
  });
  await use({ target, cwd: dir.path, frazil: (...argv) => runProgram('frazil', argv, { cwd: dir.path }) });
}

const needs = [CRIU_42.here];

describe('--json', () => {
  testWith(needs, 'dump and restore end with one object', async () => {
    await withLab(8, async ({ target, cwd, frazil }) => {
      const { pid } = target;
      const pids = target.tree();
      const dumped = await frazil('dump', '-t', String(pid), '-D', 'images', '--json');
      expect(dumped.status).toBe(0);
      const report = JSON.parse(dumped.stdout);
      expect(report).toMatchObject({ pid, imagesDir: join(cwd, 'images'), tree: 'killed' });
      for (const figure of ['frozenTimeUs', 'freezingTimeUs', 'bytesWritten', 'pagesWritten', 'zeroPages', 'wallMs']) {
        expect(report[figure], figure).toBeGreaterThanOrEqual(0);
      }
      expect(report.bytesWritten).toBeGreaterThan(4 * 2 ** 20);
      await waitGone(pids);
      const restored = await frazil('restore', '-d', '-D', 'images', '--json');
      expect(JSON.parse(restored.stdout)).toMatchObject({ pid, imagesDir: join(cwd, 'images') });
    });
  });

  testWith(needs, 'a dump that CRIU does itself ends with the same keys', async () => {
    await withLab(8, async ({ target, cwd, frazil }) => {
      const { pid } = target;
      const line = ['dump', '-R', '-t', String(pid), '-D', 'images', '--action-script', '/bin/true', '--json'];
      const { status, stdout } = await frazil(...line);
      expect(status).toBe(0);
      const report = JSON.parse(stdout);
      expect(report).toMatchObject({ pid, imagesDir: join(cwd, 'images'), zeroPages: 0, exitCode: 0 });
      for (const figure of ['frozenTimeUs', 'freezingTimeUs', 'wallMs'])
        expect(report[figure], figure).toBeGreaterThan(0);
      expect(report.bytesWritten).toBe(report.pagesWritten * 4096);
      expect(report.bytesWritten).toBeGreaterThan(4 * 2 ** 20);
    });
  });

  testWith(needs, 'a restore that CRIU does itself ends with an object that has its pid too', async () => {
    await withLab(4, async ({ target, cwd, frazil }) => {
      const { pid } = target;
      const pids = target.tree();
      await frazil('dump', '-t', String(pid), '-D', 'images');
      await waitGone(pids);
      const line = ['restore', '-d', '-D', 'images', '--action-script', '/bin/true', '--json'];
      const found = join(cwd, 'images');
      const restored = await frazil(...line);
      expect(JSON.parse(restored.stdout)).toMatchObject({ pid, imagesDir: found, exitCode: 0 });
      await target.ask('digest');
      // In the way of itself: no pid, because none was restored.
      const refused = await frazil(...line, '--pidfile', 'mine.pid');
      expect(refused.status).toBe(1);
      expect(JSON.parse(refused.stdout)).toEqual({
        handedTo: CRIU_42.path,
        arguments: [...line.slice(0, -1), '--pidfile', 'mine.pid'],
        exitCode: 1,
      });
    });
  });

  testWith(needs, 'is refused where CRIU must have our pid, before anything is restored', async () => {
    const { status, stdout } = await runProgram('frazil', ['restore', '-S', '-D', '/nonexistent', '--json']);
    expect([status, JSON.parse(stdout).code]).toEqual([2, 'USAGE']);
  });

  testWith(needs, "a pidfile of the caller's is where CRIU puts it", async () => {
    await withLab(4, async ({ target, cwd, frazil }) => {
      const { pid } = target;
      const pids = target.tree();
      await frazil('dump', '-t', String(pid), '-D', 'images');
      await waitGone(pids);
      const line = ['restore', '-d', '-D', 'images', '-W', '.', '--close', '77', '--pidfile', 'mine.pid', '--json'];
      expect(JSON.parse((await frazil(...line)).stdout)).toMatchObject({ pid, exitCode: 0 });
      expect(readFileSync(join(cwd, 'mine.pid'), 'utf8').trim()).toBe(String(pid));
      await target.ask('digest');
    });
  });

  testWith(needs, 'with --progress every line of stdout is an object, the last one the report', async () => {
    await withLab(64, async ({ target, frazil }) => {
      const { stdout } = await frazil('dump', '-R', '-t', String(target.pid), '-D', 'images', '--json', '--progress');
      const lines = stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line));
      expect(lines.length).toBeGreaterThan(1);
      for (const event of lines.slice(0, -1))
        expect(event).toMatchObject({ event: 'progress', totalBytes: expect.any(Number) });
      expect(lines.at(-1)).toMatchObject({ pid: target.pid, tree: 'running' });
    });
  });

  testWith(needs, 'a restore in the foreground tells how the tree ended', async () => {
    await withLab(4, async ({ target, cwd, frazil }) => {
      const pids = target.tree();
      await frazil('dump', '-t', String(target.pid), '-D', 'images');
      await waitGone(pids);
      const running = startProgram('frazil', ['restore', '-D', 'images', '--json'], { cwd });
      await until('the tree answers', () =>
        target.ask('pid').then(
          () => true,
          () => false,
        ),
      );
      process.kill(target.pid, 'SIGKILL');
      const { status, stdout } = await running.ended;
      expect(status).toBe(0);
      expect(JSON.parse(stdout)).toMatchObject({ pid: target.pid, exited: { kind: 'signaled', signal: 9 } });
    });
  });

  testWith(needs, 'the doctor tells of CRIU, the kernel and the tree', async () => {
    await withLab(4, async ({ target, frazil }) => {
      const { stdout, stderr } = await frazil('doctor', '-t', String(target.pid), '--json');
      expect(stderr).not.toContain('no effect');
      expect(JSON.parse(stdout)).toMatchObject({
        criu: { path: CRIU_42.path, version: expect.stringMatching(/^4\./) },
        kernel: { softDirty: expect.any(Boolean), userfaultfd: expect.any(Boolean) },
        tree: { pid: target.pid },
        findings: expect.any(Array),
      });
    });
  });
});

describe('a refused dump', () => {
  testWith(needs, 'is told with the decisive line and a log that explain understands', async () => {
    // A child of bash is no session leader.
    const child = ['bash', '-c', '"$@"; true', '-'];
    await withLab(
      4,
      async ({ target, cwd, frazil }) => {
        const { status, stderr } = await frazil('dump', '-t', String(target.pid), '-D', 'images', '-o', 'd.log');
        expect(status).toBe(1);
        expect(stderr).toContain(`frazil: Cannot dump process ${target.pid}: `);
        expect(stderr).toContain('--shell-job');
        expect(stderr).toContain(`The whole log is in ${join(cwd, 'images/d.log')}`);
        expect(target.alive()).toBe(true);
        expect(existsSync(join(cwd, 'images/inventory.img'))).toBe(false);
        const explained = await frazil('explain', 'images/d.log');
        expect(explained.status).toBe(0);
        expect(explained.stdout).toContain('--shell-job');
        const blocked = await frazil('doctor', '-t', String(target.pid));
        expect([blocked.status, blocked.stdout.includes('--shell-job')]).toEqual([1, true]);
        expect((await frazil('doctor', '-t', String(target.pid), '--shell-job')).status).toBe(0);
      },
      child,
    );
  });

  testWith(needs, 'is one object with --json, and its log stays when nobody named one', async () => {
    await withLab(4, async ({ target, cwd, frazil }) => {
      const { status, stdout } = await frazil(
        'dump',
        '-t',
        String(target.pid),
        '-D',
        'images',
        '--json',
        '--freeze-cgroup',
        '/nonexistent',
      );
      expect(status).toBe(1);
      const { code, message, detail } = JSON.parse(stdout);
      expect([code, typeof message]).toEqual(['DUMP_REFUSED', 'string']);
      expect(detail.logExcerpt.length).toBeGreaterThan(0);
      expect(readFileSync(detail.logFile, 'utf8')).toContain('Error');
      expect(detail.logFile.startsWith(join(cwd, 'images'))).toBe(true);
      expect(taskOf(target.pid)?.state).not.toBe('T');
    });
  });
});

describe('a tree that holds frazil itself', () => {
  testWith(needs, 'is refused before anything is frozen, as CRIU refuses its own', async () => {
    await using dir = tempDir();
    for (const program of Object.keys(PROGRAMS) as ProgramName[]) {
      const shell = spawn('bash', ['-c', '"$@" dump -t $$ -D .; echo status $?', '-', ...PROGRAMS[program]], {
        cwd: dir.path,
        env: { ...process.env, FRAZIL_CRIU: CRIU_42.path },
        stdio: ['ignore', 'pipe', 'ignore'],
        timeout: 30_000,
        killSignal: 'SIGKILL',
      });
      let said = '';
      shell.stdout.setEncoding('utf8').on('data', (text: string) => {
        said += text;
      });
      await new Promise((resolve) => shell.once('close', resolve));
      expect(said, program).toBe('status 1\n');
    }
  });
});

describe('explain', () => {
  const LOG =
    '(00.01) Error (criu/sk-inet.c:191): inet: Connected TCP socket, consider using --tcp-established option.\n';

  testWith(needs, 'reads standard input, ends with 0 for a cause and with 1 for none', async () => {
    const found = await runProgram('frazil', ['explain', '-'], { input: LOG });
    expect(found.status).toBe(0);
    expect(found.stdout).toContain('--tcp-established');
    expect((await runProgram('frazil', ['explain', '-'], { input: '(00.01) all is well\n' })).status).toBe(1);
    const { causes } = JSON.parse((await runProgram('frazil', ['explain', '--json', '-'], { input: LOG })).stdout);
    expect(causes[0]).toMatchObject({ rule: expect.any(String), line: 1 });
  });
});

describe('Ctrl-C', () => {
  testWith(needs, 'during a dump leaves the tree running and nothing that looks whole, and ends with 130', async () => {
    await withLab(256, async ({ target, cwd }) => {
      const before = await target.ask('digest');
      const running = startProgram('frazil', ['dump', '-t', String(target.pid), '-D', 'images', '--progress'], { cwd });
      await until('the dump has begun', () => /preparing|freezing/.test(running.said()));
      running.child.kill('SIGINT');
      const { status, stderr } = await running.ended;
      expect(status).toBe(130);
      expect(stderr).toContain('frazil: Cannot');
      expect(await target.ask('digest')).toEqual(before);
      expect(readdirSync(join(cwd, 'images')).filter((name) => name.endsWith('.img'))).toEqual([]);
    });
  });

  testWith(needs, 'twice lets go of a tree that was restored in the foreground', async () => {
    await withLab(4, async ({ target, cwd, frazil }) => {
      const pids = target.tree();
      await frazil('dump', '-t', String(target.pid), '-D', 'images');
      await waitGone(pids);
      const running = startProgram('frazil', ['restore', '-D', 'images'], { cwd });
      await until('it waits', () => running.said().includes('waiting'));
      running.child.kill('SIGINT');
      await until('it says so', () => running.said().includes('once more'));
      running.child.kill('SIGINT');
      expect((await running.ended).status).toBe(130);
      expect(await target.ask('pid')).toMatchObject({ pid: target.pid });
    });
  });
});

describe('--inherit-fd', () => {
  // The target's stdout is a pipe to a cat outside the tree; after the restore it is another pipe, to another cat.
  const piped = ['bash', '-c', 'setsid "$@" | cat >/dev/null', '-'];

  testWith(needs, 'connects the restored tree to a pipe of ours, with frazil as with criu', async () => {
    for (const program of Object.keys(PROGRAMS) as ProgramName[]) {
      await withLab(
        4,
        async ({ target, cwd }) => {
          const pipe = fdsOf(target.pid)[1] ?? '';
          expect(pipe).toMatch(/^pipe:/);
          const pids = target.tree();
          expect((await runProgram('criu', ['dump', '-t', String(target.pid), '-D', 'images'], { cwd })).status).toBe(
            0,
          );
          await waitGone(pids);
          const line = `"$@" restore -d -D images --inherit-fd 'fd[5]:${pipe}' 5> >(cat >second)`;
          const env = { ...process.env, FRAZIL_CRIU: CRIU_42.path };
          const shell = spawn('bash', ['-c', line, '-', ...PROGRAMS[program]], { cwd, env, stdio: 'ignore' });
          expect(await new Promise((resolve) => shell.once('exit', resolve))).toBe(0);
          await target.ask('say hello');
          await until(
            'the new pipe has it',
            () => existsSync(join(cwd, 'second')) && readFileSync(join(cwd, 'second'), 'utf8').includes('hello'),
          );
        },
        piped,
      );
    }
  });
});

describe('a directory without room for a log', () => {
  testWith(needs, '-o into a folder that is not there stops before the tree is touched', async () => {
    await withLab(4, async ({ target, cwd, frazil }) => {
      mkdirSync(join(cwd, 'logs'));
      const wrong = await frazil('dump', '-t', String(target.pid), '-D', 'images', '-o', `${cwd}/nowhere/d.log`);
      expect([wrong.status, target.alive(), readdirSync(join(cwd, 'images'))]).toEqual([1, true, []]);
      const right = await frazil('dump', '-t', String(target.pid), '-D', 'images', '-o', `${cwd}/logs/d.log`);
      expect([right.status, readdirSync(join(cwd, 'logs'))]).toEqual([0, ['d.log']]);
    });
  });
});
