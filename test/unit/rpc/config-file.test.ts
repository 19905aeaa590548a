import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { CheckpointError } from '../../../src/errors/checkpoint-error.js';
import { writeConfigFile } from '../../../src/rpc/config-file.js';
import { withTempDir } from '../../helpers/temp-dir.js';

test('writeConfigFile() writes nothing when there is nothing to say', async () => {
  await using file = await writeConfigFile({ configLines: [] });
  expect(file.path).toBeUndefined();
});

test("writeConfigFile() puts our lines behind the caller's, where nobody else reads them, until it is disposed", async () => {
  await withTempDir('disk', async (dir) => {
    const config = join(dir.path, 'my.conf');
    writeFileSync(config, 'tcp-established\n\n');
    const file = await writeConfigFile({ config, configLines: ['log-pid'] });
    const { path = '' } = file;
    expect(readFileSync(path, 'utf8')).toBe('tcp-established\nlog-pid\n');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    await file[Symbol.asyncDispose]();
    expect(existsSync(path)).toBe(false);
  });
});

test('writeConfigFile() refuses a file that CRIU would ignore without a word', async () => {
  const failed = await writeConfigFile({ config: '/nonexistent', configLines: [] }).catch((error: unknown) => error);
  expect(CheckpointError.is(failed, 'IO')).toBe(true);
  expect(failed).toMatchObject({ detail: { path: '/nonexistent', errno: 'ENOENT' } });
});
