// What is handed to CRIU is CRIU afterwards, and nothing of Frazil is left around it.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, readlinkSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect } from 'vitest';
import { CRIU_42 } from '../helpers/criu-cli.js';
import { testWith } from '../helpers/needs.js';
import { fdsOf, taskOf, waitGone } from '../helpers/procfs.js';
import { startTarget } from '../helpers/target.js';
import { tempDir } from '../helpers/temp-dir.js';
import { until } from '../helpers/until.js';
import { buildCli, PROGRAMS, type ProgramName, runProgram, startProgram } from '../integration/cli/programs.js';

beforeAll(buildCli, 120_000);

const SIGNALS = /^Sig(?:Blk|Ign|Cgt):.*$/gm;

describe('in place of criu', () => {
  testWith([CRIU_42.here], 'a tree restored with -S is the child of the shell that called', async () => {
    await using dir = tempDir();
    dir.folder('images');
    const control = join(dir.path, 'control');
    await using target = await startTarget('memory', [control, '4', '2', '10'], { control });
    const pids = target.tree();
    await runProgram('criu', ['dump', '-t', String(target.pid), '-D', 'images'], { cwd: dir.path });
    await waitGone(pids);
    const line = '"$@" restore -d -S -D images; echo "status $?"; read -r _';
    const shell = spawn('bash', ['-c', line, 'bash', ...PROGRAMS.frazil], {
      cwd: dir.path,
      env: { ...process.env, FRAZIL_CRIU: CRIU_42.path },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    let said = '';
    shell.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    await until('the restore has ended', () => said.includes('status'));
    expect(said).toBe('status 0\n');
    expect(taskOf(target.pid)?.parent).toBe(shell.pid);
    await target.ask('digest');
    shell.stdin.end();
  });

  testWith([CRIU_42.here], 'a page server is CRIU, with the signals and fds that criu has', async () => {
    const seen = async (program: ProgramName): Promise<unknown> => {
      await using dir = tempDir();
      const argv = ['page-server', '-D', '.', '--port', '27419', '-o', 'ps.log', '-v4'];
      const { child, ended } = startProgram(program, argv, { cwd: dir.path });
      const log = join(dir.path, 'ps.log');
      const pid = child.pid ?? 0;
      try {
        await until('it listens', () => existsSync(log) && readFileSync(log, 'utf8').includes('status-ready'));
        return {
          isCriu: realpathSync(readlinkSync(`/proc/${pid}/exe`)) === realpathSync(CRIU_42.path),
          parent: taskOf(pid)?.parent,
          signals: readFileSync(`/proc/${pid}/status`, 'utf8').match(SIGNALS),
          fds: Object.keys(fdsOf(pid)),
        };
      } finally {
        child.kill('SIGTERM');
        await ended;
        expect(child.signalCode).toBe('SIGTERM');
      }
    };
    const ours = await seen('frazil');
    expect(ours).toMatchObject({ isCriu: true, parent: process.pid });
    expect(ours).toEqual(await seen('criu'));
  });

  testWith([CRIU_42.here], 'an fd that the arguments name reaches CRIU, and $! is CRIU', async () => {
    const seen = async (program: ProgramName): Promise<unknown> => {
      await using dir = tempDir();
      const told = join(dir.path, 'told');
      // CRIU writes one byte of zero to it when it is ready.
      const line =
        'exec 23>told; "$@" page-server -D . --port 27420 --status-fd 23 & exec 23>&-; read -r _; kill $!; wait $!; echo $?';
      const shell = spawn('bash', ['-c', line, 'bash', ...PROGRAMS[program]], {
        cwd: dir.path,
        env: { ...process.env, FRAZIL_CRIU: CRIU_42.path },
        stdio: ['pipe', 'pipe', 'inherit'],
      });
      await until('it has told', () => existsSync(told) && readFileSync(told).length > 0);
      shell.stdin.end('\n');
      const [status] = await once(shell.stdout, 'data');
      return [readFileSync(told), String(status)];
    };
    expect(await seen('frazil')).toEqual([Buffer.alloc(1), '143\n']);
    expect(await seen('criu')).toEqual([Buffer.alloc(1), '143\n']);
  });
});
