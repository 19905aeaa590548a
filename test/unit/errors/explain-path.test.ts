import { mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { explainPath } from '../../../src/criu/explain.js';

describe('explainPath()', () => {
  let folder = '';
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'explain-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('takes the newest log of a directory', async () => {
    await writeFile(join(folder, 'dump.log'), '(00.1) Dumping finished successfully\n');
    await writeFile(
      join(folder, 'restore.log'),
      "(00.1) Error (criu/cr-restore.c:1237): Can't fork for 7: File exists\n",
    );
    await utimes(join(folder, 'dump.log'), 1, 1);
    expect(await explainPath(folder)).toMatchObject({
      logFile: join(folder, 'restore.log'),
      causes: [{ rule: 'pid-in-use', pid: 7 }],
    });
  });

  it('reads a file', async () => {
    const logFile = join(folder, 'x');
    await writeFile(logFile, '');
    expect(await explainPath(logFile)).toEqual({ logFile, causes: [], excerpt: [], harmless: [] });
  });

  it.each(['absent', ''])('throws IO when there is no log (%j)', async (name) => {
    await expect(explainPath(join(folder, name))).rejects.toMatchObject({ code: 'IO', detail: { errno: 'ENOENT' } });
  });
});
