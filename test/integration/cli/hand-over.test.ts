// What is handed to CRIU reaches it as if it had been called itself. Here CRIU is a shell script that tells what it got.

import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
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

  it('ends with 128 and the signal that ended CRIU', async () => {
    await withCriu('kill -ABRT $$', async (env) => {
      expect((await runProgram('frazil', ['dedup'], { env })).status).toBe(134);
    });
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

  it.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)('forwards %s, and ends when CRIU does', async (signal) => {
    await withCriu(
      `trap 'echo got it; exit 9' ${signal.slice(3)}; echo ready >&2; while :; do sleep 0.1; done`,
      async (env) => {
        const running = startProgram('frazil', ['service'], { env });
        await until('the script is ready', () => running.said().includes('ready'));
        running.child.kill(signal);
        expect(await running.ended).toMatchObject({ status: 9, stdout: 'got it\n' });
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
