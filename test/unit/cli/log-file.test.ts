import { existsSync, lstatSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openLogFile } from '../../../src/cli/log-file.js';
import { Terminal } from '../../../src/cli/terminal.js';
import { tempDir } from '../../helpers/temp-dir.js';

const LOG = [
  '(00.000001) Version: 4.2.1',
  "(00.000002) Error (criu/util.c:1534): rlimit: Can't setup RLIMIT_NOFILE for self: Operation not permitted",
  '(00.000003) Warn  (criu/page-xfer.c:165): page-xfer: Unable to set TCP_CORK=1: Operation not supported',
  '(00.000004) Warn  (compel/infect.c:419): Will restore 17 with interrupted system call',
  '(00.000005) Warn  (compel/infect.c:419): Will restore 18 with interrupted system call',
  '',
].join('\n');

async function logged(
  request: { readonly logPath?: string; readonly level?: number },
  outcome: 'done' | 'failed',
): Promise<{ said: string; left: readonly string[] }> {
  await using dir = tempDir();
  let said = '';
  const sink = { write: (text: string) => (said += text) };
  const log = await openLogFile({
    word: 'dump',
    workDir: dir.path,
    logPath: request.logPath,
    level: request.level,
    terminal: new Terminal({ stdout: sink, stderr: sink }),
  });
  expect(log.name).not.toContain('/');
  writeFileSync(join(dir.path, log.name), LOG);
  await log.finish(outcome);
  return { said, left: readdirSync(dir.path).map((name) => name.replace(/\d+/, 'PID')) };
}

describe('openLogFile()', () => {
  it('prints warnings of a log that nobody asked for, each kind once, and removes it', async () => {
    const { said, left } = await logged({}, 'done');
    expect(said).toBe(
      'Warn  (compel/infect.c:419): Will restore 17 with interrupted system call (and 1 more like it)\n',
    );
    expect(left).toEqual([]);
  });

  it('prints the whole of it from level 3 on, and nothing below 2', async () => {
    expect((await logged({ level: 3 }, 'done')).said).toBe(LOG);
    expect((await logged({ level: 1 }, 'done')).said).toBe('');
  });

  it('keeps it after a failure', async () => {
    expect(await logged({}, 'failed')).toEqual({ said: '', left: ['frazil-dump-PID.log'] });
  });

  it('leaves a log with a bare name where CRIU writes it', async () => {
    expect(await logged({ logPath: 'd.log' }, 'done')).toEqual({ said: '', left: ['d.log'] });
  });

  it('lets CRIU write a log with a path there from its first line on, readable by the owner only', async () => {
    await using elsewhere = tempDir();
    const logPath = join(elsewhere.path, 'd.log');
    expect(await logged({ logPath }, 'done')).toEqual({ said: '', left: [] });
    expect([readFileSync(logPath, 'utf8'), lstatSync(logPath).isFile(), statSync(logPath).mode & 0o777]).toEqual([
      LOG,
      true,
      0o600,
    ]);
  });

  it('refuses a path that cannot be written before anything happens', async () => {
    const logPath = '/nonexistent/d.log';
    await expect(logged({ logPath }, 'done')).rejects.toMatchObject({
      code: 'IO',
      detail: { path: logPath, errno: 'ENOENT' },
    });
    expect(existsSync(logPath)).toBe(false);
  });
});
