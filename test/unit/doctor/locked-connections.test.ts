import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { judgeLocks, readLocks } from '../../../src/criu/doctor/locked-connections.js';
import { tempDir } from '../../helpers/temp-dir.js';

/** The path of a CRIU beside which lies an nft that runs this. */
function besideNft(folder: string, script: string): string {
  writeFileSync(join(folder, 'nft'), `#!/bin/sh\n${script}\n`);
  chmodSync(join(folder, 'nft'), 0o700);
  return join(folder, 'criu');
}

test("CRIU's tables are found among others", async () => {
  await using dir = tempDir();
  const criu = besideNft(
    dir.path,
    'printf "table inet filter\\ntable inet CRIU-a\\ntable ip CRIU-x\\ntable inet CRIU-b\\n"',
  );
  expect(await readLocks(criu)).toEqual(['CRIU-a', 'CRIU-b']);
});

test('an nft that may not list them is no finding', async () => {
  await using dir = tempDir();
  const tables = await readLocks(besideNft(dir.path, 'echo "Operation not permitted" >&2; exit 1'));
  expect(tables).toBeUndefined();
  expect(judgeLocks(tables)).toEqual([]);
});

test('no table is no finding', () => {
  expect(judgeLocks([])).toEqual([]);
});

test('the finding counts the tables, names some and says how to remove one', () => {
  const [finding] = judgeLocks(['CRIU-a', 'CRIU-b', 'CRIU-c', 'CRIU-d', 'CRIU-e']);
  expect(finding).toMatchObject({ id: 'locked-connections', severity: 'note' });
  expect(finding?.title).toBe('Connections of 5 checkpoints are locked here (inet CRIU-a, CRIU-b, CRIU-c and 2 more)');
  expect(finding?.remedy).toMatch(/nft delete table inet CRIU-a$/);
});
