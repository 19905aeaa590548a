// A script that calls `criu` can call `frazil`: the same command lines with both, and the same exit status, state of the tree and
// files afterwards. Each row is run twice, with a target and directories of its own.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, onTestFinished } from 'vitest';
import { CRIU_42 } from '../helpers/criu-cli.js';
import { testWith } from '../helpers/needs.js';
import { taskOf, waitGone } from '../helpers/procfs.js';
import { startTarget, type Target } from '../helpers/target.js';
import { tempDir } from '../helpers/temp-dir.js';
import { until } from '../helpers/until.js';
import {
  buildCli,
  filesIn,
  type ProgramName,
  type Ran,
  runProgram,
  startProgram,
} from '../integration/cli/programs.js';

beforeAll(buildCli, 120_000);

interface Place {
  /** The current directory; holds `images` and `work`. */
  readonly cwd: string;
  readonly pid: number;
}
type Arguments = string | ((place: Place) => string);

interface Outcome {
  readonly succeeded: boolean;
  /** Absent when the tree is gone. */
  readonly tree: string | undefined;
  readonly files?: readonly string[];
  readonly pidfile?: string;
  /** What it said, for the reader of a failure; not compared. */
  readonly said: string;
}

const withTarget = async <T>(use: (target: Target, cwd: string) => Promise<T>): Promise<T> => {
  await using dir = tempDir();
  dir.folder('images');
  dir.folder('work');
  const control = join(dir.path, 'control');
  await using target = await startTarget('memory', [control, '4', '2', '10'], { control });
  return await use(target, dir.path);
};

const words = (line: Arguments, place: Place): string[] =>
  (typeof line === 'string' ? line : line(place)).replaceAll('PID', String(place.pid)).split(' ');

// Running or sleeping is the scheduler's affair.
const stateOf = (pid: number): string | undefined => {
  const state = taskOf(pid)?.state;
  return state === undefined || state === 'Z' ? undefined : state.replace(/[RSD]/, 'running');
};

async function outcome(ran: Ran, target: Target, cwd: string): Promise<Outcome> {
  const succeeded = ran.status === 0;
  const pidfile = join(cwd, 'images/p');
  const seen = {
    succeeded,
    tree: stateOf(target.pid),
    // What a failure leaves is not the same: CRIU half of the images, Frazil its log (docs/design/ground-floor.md section 2).
    ...(succeeded ? { files: filesIn(cwd, target.pid).filter((name) => !name.startsWith('control')) } : {}),
    ...(existsSync(pidfile) ? { pidfile: readFileSync(pidfile, 'utf8').replace(String(target.pid), 'PID') } : {}),
  };
  // Not enumerable, so that toEqual() does not see it.
  return Object.defineProperty({ ...seen, said: '' }, 'said', { value: ran.stderr, enumerable: false });
}

// A stop signal, and the kill signals for a tree that could not be restored, are on their way when the command ends.
async function settled({ status }: Ran, argv: readonly string[], target: Target): Promise<void> {
  if (status !== 0 && argv.includes('restore')) await until('no task is left', () => stateOf(target.pid) === undefined);
  if (status !== 0 || argv.lastIndexOf('-s') <= argv.lastIndexOf('-R')) return;
  await until('the tree is stopped', () => stateOf(target.pid) === 'T');
}

async function dumping(program: ProgramName, line: Arguments, env?: Record<string, string>): Promise<Outcome> {
  return withTarget(async (target, cwd) => {
    const place = { cwd, pid: target.pid };
    const argv = words(line, place);
    const ran = await runProgram(program, argv, { cwd, env: env ?? {} });
    await settled(ran, argv, target);
    return outcome(ran, target, cwd);
  });
}

async function restoring(program: ProgramName, line: Arguments, prepare?: (place: Place) => void): Promise<Outcome> {
  return withTarget(async (target, cwd) => {
    const pids = target.tree();
    const place = { cwd, pid: target.pid };
    await runProgram('criu', ['dump', '-t', String(target.pid), '-D', 'images'], { cwd });
    await waitGone(pids);
    prepare?.(place);
    const argv = words(line, place);
    const ran = await runProgram(program, argv, { cwd });
    await settled(ran, argv, target);
    return outcome(ran, target, cwd);
  });
}

const answers = (target: Target): Promise<boolean> =>
  target.ask('pid').then(
    () => true,
    () => false,
  );

// CRIU blocks every signal before it waits.
const blocksTerm = (pid = 0): boolean => /^SigBlk:\t.{12}[7f]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));

const both = async (run: (program: ProgramName) => Promise<unknown>): Promise<void> => {
  expect(await run('frazil')).toEqual(await run('criu'));
};

describe('dump', () => {
  const lines: readonly (readonly [line: Arguments, succeeds: boolean])[] = [
    ['dump -t PID -D images', true],
    ['dump --tree=PID --images-dir images', true],
    ['dump -tPID -Dimages -R', true],
    ['-D images dump --leave-run -t PID', true],
    ['dump -s -t PID -D images', true],
    ['dump -R -s -t PID -D images', true],
    ['dump -s -R -t PID -D images', true],
    ['dump -t PID -D images -W work -o d.log', true],
    ['dump -t PID -D images -v4 -o d.log', true],
    ['dump -t PID -D images -vvv', true],
    [({ cwd }) => `dump -t PID -D images -o ${join(cwd, 'work', 'd.log')}`, true],
    ['dump -t PID -D images -W work -o ../x.log', true],
    ['dump -t PID -D images --shell-job --file-locks --tcp-established --network-lock nftables', true],
    ['dump -t PID -D images --timeout 5 --ghost-limit 2M --link-remap --ext-unix-sk', true],
    ['dump -t PID -D images --manage-cgroups=ignore', true],
    ['dump -t PID -D images --cpu-cap', true],
    ['dump -t PID -D images --cpu-cap=cpu', true],
    ['dump -t PID -D images --cpu-cap=none', true],
    ['dump -t PID -D images --file-validation filesize --no-ghost-fiemap --allow-uprobes', true],
    ['dump -t PID -D images --external mnt[]:m -M auto --enable-external-masters', true],
    ['dump -t PID -D images --pidfile p', true],
    ['dump -t PID -D images --tls --tls-key /nonexistent', true],
    ['dump -d -t PID -D images --weak-sysctls', true],
    ['dump -t PID -D images --action-script /bin/true', true],
    ['dump -t PID -D images --action-script /bin/false', false],
    ['pre-dump -t PID -D images', false],
    ['dump -t PID -D images --track-mem', false],
    ['dump -t PID -D missing', false],
    ['dump -t PID -D images -W missing', false],
    ['dump -t PID -D images -o missing/d.log', false],
    ['dump -t 4194303 -D images', false],
    ['dump -D images', false],
    ['dump -t nothing -D images', false],
    ['dump -t PID -D images surplus', false],
    ['dump -t PID -D images --tcp', false],
    ['dump -t PID -D images --no-such-option', false],
    ['dump -t PID -D images --lazy-pages=1', false],
    ['dump -t PID -D images --network-lock nothing', false],
    ['dump -t PID -D images --prev-images-dir ../missing --track-mem', false],
    ['dump -t PID -D images --page-server --address 127.0.0.1 --port 1', false],
    ['dump -t PID -D images --stream', false],
    ['dump -t PID -D images --ms', false],
    ['dmup -t PID -D images', false],
  ];
  for (const [line, succeeds] of lines) {
    const title = typeof line === 'string' ? line : line({ cwd: 'CWD', pid: 0 }).replace('0', 'PID');
    testWith([CRIU_42.here], title, async () => {
      const ours = await dumping('frazil', line);
      expect(ours.succeeded, ours.said).toBe(succeeds);
      expect(ours).toEqual(await dumping('criu', line));
    });
  }

  testWith([CRIU_42.here], 'takes options from --config, which the command line overrides', async () => {
    await both((program) =>
      dumping(program, ({ cwd }) => {
        writeFileSync(join(cwd, 'conf'), 'leave-running # comment\nlog-file "c.log"\nverbosity=4\n');
        return 'dump -t PID -D images --config conf -o d.log';
      }),
    );
  });

  testWith([CRIU_42.here], 'takes options from CRIU_CONFIG_FILE', async () => {
    await withTarget(async (_, folder) => {
      const conf = join(folder, 'conf');
      writeFileSync(conf, 'leave-running\n');
      await both((program) => dumping(program, 'dump -t PID -D images', { CRIU_CONFIG_FILE: conf }));
    });
  });

  testWith([CRIU_42.here], 'replaces a checkpoint that is already there', async () => {
    await both((program) =>
      withTarget(async (target, cwd) => {
        const line = ['dump', '-t', String(target.pid), '-D', 'images'];
        const first = await runProgram(program, [...line, '-R'], { cwd });
        const second = await runProgram(program, line, { cwd });
        return [first.status, await outcome(second, target, cwd)];
      }),
    );
  });

  testWith([CRIU_42.here], 'prints the same statistics with --display-stats', async () => {
    await both((program) =>
      withTarget(async (target, cwd) => {
        const { stdout } = await runProgram(
          program,
          ['dump', '-t', String(target.pid), '-D', 'images', '--display-stats'],
          { cwd },
        );
        return stdout.replace(/\d+ us/g, 'N us').replace(/: \d+ \(0x[0-9a-f]+\)/g, ': N');
      }),
    );
  });

  testWith([CRIU_42.here], 'sends pages to a page server', async () => {
    await both((program) =>
      withTarget(async (target, cwd) => {
        const server = startProgram(program, ['page-server', '-D', 'work', '--port', '27413', '-o', 'ps.log', '-v4'], {
          cwd,
        });
        // Whatever happens, the port must be free for the next.
        onTestFinished(() => {
          server.child.kill();
        });
        await until(
          'the page server listens',
          () =>
            existsSync(join(cwd, 'work/ps.log')) &&
            readFileSync(join(cwd, 'work/ps.log'), 'utf8').includes('status-ready'),
        );
        const line = [
          'dump',
          '-t',
          String(target.pid),
          '-D',
          'images',
          '--page-server',
          '--address',
          '127.0.0.1',
          '--port',
          '27413',
        ];
        const ran = await runProgram(program, line, { cwd });
        return [await outcome(ran, target, cwd), (await server.ended).status];
      }),
    );
  });
});

describe('restore', () => {
  const lines: readonly (readonly [line: Arguments, succeeds: boolean, prepare?: (place: Place) => void])[] = [
    ['restore -d -D images', true],
    ['restore --restore-detached --images-dir=images', true],
    ['restore --daemon -D images', true],
    ['-D images restore -dv4 -o r.log', true],
    ['restore -d -D images -W work -o r.log --pidfile p', true],
    ['restore -d -D images --pidfile p', true],
    ['restore -d -D images --pidfile p', false, ({ cwd }) => writeFileSync(join(cwd, 'images/p'), 'x')],
    ['restore -d -s -D images', true],
    ['restore -d -S -D images', true],
    ['restore -d -D images --shell-job --tcp-established --file-locks --ext-unix-sk', true],
    ['restore -d -D images --manage-cgroups=ignore --weak-sysctls --skip-file-rwx-check', true],
    ['restore -d -D images --action-script /bin/true', true],
    ['restore -d -D images --action-script /bin/false', false],
    ['restore -d -D work', false],
    ['restore -d -D missing', false],
    ['restore -S -D images', false],
    ['restore -d -D images --exec-cmd -- true', false],
    ['restore -D images --exec-cmd', false],
    ['restore -d -D images --inherit-fd fd[99]:x', false],
    ['restore -d -D images --lsm-profile bogus:x', false],
    ['restore -d -D images --stream', false],
    ['restore -d -D images --lazy-pages', false],
  ];
  for (const [line, succeeds, prepare] of lines) {
    const title = `${typeof line === 'string' ? line : 'restore'}${prepare === undefined ? '' : ' with a pidfile in the way'}`;
    testWith([CRIU_42.here], title, async () => {
      const ours = await restoring('frazil', line, prepare);
      expect(ours.succeeded, ours.said).toBe(succeeds);
      expect(ours).toEqual(await restoring('criu', line, prepare));
    });
  }

  testWith([CRIU_42.here], 'in the foreground lasts as long as the tree, ignores a TERM, and ends with 0', async () => {
    await both((program) =>
      withTarget(async (target, cwd) => {
        const pids = target.tree();
        await runProgram('criu', ['dump', '-t', String(target.pid), '-D', 'images'], { cwd });
        await waitGone(pids);
        const running = startProgram(program, ['restore', '-D', 'images', '--pidfile', 'p'], { cwd });
        await until('the tree answers', () => answers(target));
        await until('it waits for the tree', () =>
          program === 'frazil' ? running.said().includes('waiting') : blocksTerm(running.child.pid),
        );
        running.child.kill('SIGTERM');
        await target.ask('digest');
        const during = await outcome({ status: 0, stdout: '', stderr: '' }, target, cwd);
        process.kill(target.pid, 'SIGKILL');
        return [during, (await running.ended).status];
      }),
    );
  });

  testWith([CRIU_42.here], 'with --exec-cmd becomes the command, and ends with its status', async () => {
    await both((program) =>
      withTarget(async (target, cwd) => {
        const pids = target.tree();
        await runProgram('criu', ['dump', '-t', String(target.pid), '-D', 'images'], { cwd });
        await waitGone(pids);
        const { status, stdout } = await runProgram(
          program,
          ['restore', '-D', 'images', '--exec-cmd', '--', 'sh', '-c', 'echo in command; exit 7'],
          { cwd },
        );
        return [status, stdout, stateOf(target.pid)];
      }),
    );
  });

  testWith([CRIU_42.here], 'fails while the pid is in use', async () => {
    await both((program) =>
      withTarget(async (target, cwd) => {
        await runProgram('criu', ['dump', '-t', String(target.pid), '-D', 'images', '-R'], { cwd });
        const { status } = await runProgram(program, ['restore', '-d', '-D', 'images'], { cwd });
        return [status, stateOf(target.pid)];
      }),
    );
  });
});

describe('commands without a tree', () => {
  const lines: readonly string[] = [
    'check',
    'check --feature uffd',
    'check --feature mem_dirty_track',
    'check --feature bogus',
    'check --extra',
    'check --all',
    'check surplus',
    'cpuinfo dump -D images',
    'cpuinfo check -D images',
    'cpuinfo',
    'cpuinfo bogus',
    'dedup -D images',
    'lazy-pages -D images',
    'swrk',
    'exec',
    'service --address /nonexistent/x',
    '--version',
  ];
  for (const line of lines) {
    testWith([CRIU_42.here], line, async () => {
      await both(async (program) => {
        await using dir = tempDir();
        dir.folder('images');
        const { status, stdout } = await runProgram(program, line.split(' '), { cwd: dir.path });
        const succeeded = status === 0;
        const answer = stdout.replace(/^Frazil: .*\n/m, '');
        return { succeeded, ...(succeeded ? { answer, files: filesIn(dir.path, 0) } : {}) };
      });
    });
  }

  testWith([CRIU_42.here], 'cpuinfo check accepts what cpuinfo dump wrote', async () => {
    await both(async (program) => {
      await using dir = tempDir();
      const dumped = await runProgram(program, ['cpuinfo', 'dump', '-D', '.'], { cwd: dir.path });
      const checked = await runProgram(program, ['cpuinfo', 'check', '-D', '.'], { cwd: dir.path });
      return [dumped.status, checked.status, filesIn(dir.path, 0)];
    });
  });
});
