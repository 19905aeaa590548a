// What is handed to CRIU reaches it as if it had been called itself. Here CRIU is a shell script that tells what it got.

import { spawn, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { tempDir } from '../../helpers/temp-dir.js';
import { until } from '../../helpers/until.js';
import { buildCli, MAIN, runProgram, startProgram } from './programs.js';

beforeAll(buildCli, 120_000);

async function withCriu<T>(
  script: string,
  use: (env: Record<string, string>, folder: string) => Promise<T>,
): Promise<T> {
  await using dir = tempDir();
  const path = join(dir.path, 'criu');
  writeFileSync(path, `#!/bin/bash\n${script}\n`, { mode: 0o755 });
  return await use({ FRAZIL_CRIU: path }, dir.path);
}

describe('handing over', () => {
  it('passes the arguments as they were, less our own', async () => {
    await withCriu('printf "<%s>" "$@"', async (env) => {
      const argv = ['--quiet', 'page-server', '-D', 'a b', '--port=1', '--', ''];
      const surplus = await runProgram('frazil', argv, { env });
      expect(surplus.status).toBe(2);
      const { stdout } = await runProgram('frazil', argv.slice(0, -2), { env });
      expect(stdout).toBe('<page-server><-D><a b><--port=1>');
    });
  });

  it.each([0, 1, 7, 255])('ends with status %i as CRIU does', async (status) => {
    await withCriu(`exit ${status}`, async (env) => {
      expect((await runProgram('frazil', ['dedup'], { env })).status).toBe(status);
    });
  });

  it('ends by the signal that ended CRIU, and with --json with 128 and its number', async () => {
    await withCriu('kill -ABRT $$', async (env) => {
      const { child, ended } = startProgram('frazil', ['dedup'], { env });
      await ended;
      expect([child.exitCode, child.signalCode]).toEqual([null, 'SIGABRT']);
      expect((await runProgram('frazil', ['dedup', '--json'], { env })).status).toBe(134);
    });
  });

  it('becomes CRIU: the pid and the parent stay', async () => {
    await withCriu('echo $$ $PPID', async (env) => {
      const { child, ended } = startProgram('frazil', ['dedup'], { env });
      expect((await ended).stdout).toBe(`${child.pid} ${process.pid}\n`);
    });
  });

  it('ignores and blocks no signal, which Node does', async () => {
    await withCriu('grep -E "^Sig(Ign|Blk)" /proc/self/status', async (env) => {
      const { stdout } = await runProgram('frazil', ['dedup'], { env });
      expect(stdout).toBe('SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n');
      // The other way must be able to show: a process of Node's ignores SIGPIPE.
      expect(readFileSync('/proc/self/status', 'utf8')).toMatch(/^SigIgn:.*1000$/m);
    });
  });

  it('leaves nothing of Node open, and gives back the soft limit that the caller has', async () => {
    await withCriu('for fd in /proc/$$/fd/*; do [ -e $fd ] && basename $fd; done; ulimit -Sn', async (env) => {
      const line = 'ulimit -Sn 777; "$FRAZIL_CRIU"; echo; "$0" "$1" dedup; exit $?';
      const { status, stdout } = spawnSync('bash', ['-c', line, process.execPath, MAIN], {
        env: { ...process.env, ...env },
        encoding: 'utf8',
      });
      const [direct, ours] = stdout.split('\n\n');
      expect(status).toBe(0);
      expect(direct).toMatch(/^0\n1\n2\n(.*\n)*777$/);
      expect(ours).toBe(`${direct}\n`);
    });
  });

  it.each(['', '0', '12', '012'])('gives the standard fds back as they were, "%s" non-blocking', async (numbers) => {
    await withCriu('for fd in 0 1 2; do grep flags /proc/$$/fdinfo/$fd >>"$OUT"; done', async (env, folder) => {
      const out = join(folder, 'flags');
      const start =
        'import os, sys; [os.set_blocking(int(n), False) for n in sys.argv[1]]; os.execv(sys.argv[2], sys.argv[2:])';
      // A refused command would do; this one also makes Node write to stderr first.
      spawnSync('python3', ['-c', start, numbers, process.execPath, MAIN, 'dedup', '-v'], {
        env: { ...process.env, ...env, OUT: out },
      });
      const nonblocking = [...readFileSync(out, 'utf8').matchAll(/\t(\d+)/g)].flatMap(([, text = ''], fd) =>
        (Number.parseInt(text, 8) & 0o4000) === 0 ? [] : [fd],
      );
      expect(nonblocking.join('')).toBe(numbers);
    });
  });

  it('goes on as it was when CRIU cannot be executed', async () => {
    await using dir = tempDir();
    const path = join(dir.path, 'criu');
    writeFileSync(path, 'neither a program nor a script of one', { mode: 0o755 });
    const { status, stderr } = await runProgram('frazil', ['dedup'], { env: { FRAZIL_CRIU: path } });
    expect(status).toBe(1);
    expect(stderr).toBe(`frazil: Cannot start "${path}": execve failed with ENOEXEC\n`);
  });

  it('shares stdin, stdout and stderr', async () => {
    await withCriu('cat; echo complaint >&2', async (env) => {
      const { stdout, stderr } = await runProgram('frazil', ['dedup'], { env, input: 'hello' });
      expect([stdout, stderr]).toEqual(['hello', 'complaint\n']);
    });
  });

  it('keeps stdout for one object with --json, and says who did it', async () => {
    await withCriu('echo answer; exit 3', async (env) => {
      const { status, stdout, stderr } = await runProgram('frazil', ['check', '--feature', 'uffd', '--json'], { env });
      expect(status).toBe(3);
      expect(JSON.parse(stdout)).toEqual({
        handedTo: env['FRAZIL_CRIU'],
        arguments: ['check', '--feature', 'uffd'],
        exitCode: 3,
      });
      expect(stderr).toContain('answer\n');
      expect(stderr).toContain('frazil: check is done by CRIU itself: check --feature has no RPC request');
    });
  });

  it.each([
    ['SIGTERM', []],
    ['SIGINT', []],
    ['SIGHUP', []],
    ['SIGTERM', ['--json']],
  ] as const)('lets CRIU have %s, %j, and ends when it does', async (signal, own) => {
    await withCriu(
      `trap 'echo got it; exit 9' ${signal.slice(3)}; echo ready >&2; while :; do sleep 0.1; done`,
      async (env) => {
        const running = startProgram('frazil', ['service', ...own], { env });
        await until('the script is ready', () => running.said().includes('ready'));
        running.child.kill(signal);
        const { status, stdout, stderr } = await running.ended;
        expect([status, `${stdout}${stderr}`]).toEqual([9, expect.stringContaining('got it\n')]);
      },
    );
  });

  it('lets CRIU have the fds that the arguments name, under their numbers, and no other', async () => {
    await withCriu('cat <&7; [ -e /proc/$$/fd/9 ] || echo no ninth', async (env, folder) => {
      writeFileSync(join(folder, 'seven'), 'seventh');
      const line = `exec 7<${folder}/seven 9</dev/null; "$0" "$1" page-server --ps-socket 7`;
      const shell = spawn('bash', ['-c', line, process.execPath, MAIN], {
        env: { ...process.env, ...env },
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      let said = '';
      shell.stdout.setEncoding('utf8').on('data', (text: string) => {
        said += text;
      });
      await new Promise((resolve) => shell.once('close', resolve));
      expect(said).toContain('seventh');
      expect(said).toContain('no ninth');
    });
  });
});
