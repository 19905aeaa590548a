import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { removeFilter } from '../../../src/criu/packet-filter.js';
import { tempDir } from '../../helpers/temp-dir.js';

const LOG = `(00.000000) CRIU run id = b56cc3d4-1b48-498c-9ec3-1a769986decc
(00.000000) CRIU run id = 5b851000-71a3-4772-8c7f-d9dfd9a286f3
(00.101283) 	Running nftables [add element inet CRIU-5b851000-71a3-4772-8c conns4 { ... }]
`;

/** An nft that lists these tables and writes down what it is asked. */
function fakeNft(folder: string, tables: readonly string[]) {
  const list = tables.map((table) => `table inet ${table}`).join('\n');
  const script = `#!/bin/sh\necho "$*" >> ${folder}/asked\n[ "$1" = list ] && cat <<END\n${list}\nEND\nexit 0\n`;
  writeFileSync(join(folder, 'nft'), script);
  chmodSync(join(folder, 'nft'), 0o700);
  const asked = () => readFileSync(join(folder, 'asked'), 'utf8').trim().split('\n');
  return { network: { criu: join(folder, 'criu'), method: 'NFTABLES', log: LOG, images: folder } as const, asked };
}

test('the table of the last run in the log is deleted, and no other', async () => {
  await using dir = tempDir();
  const others = ['filter', 'CRIU-', 'CRIU-5b851000', 'CRIU-b56cc3d4-1b48-498c-9e', 'CRIU-5b851000-71a3-4772-8d'];
  const { network, asked } = fakeNft(dir.path, [...others, 'CRIU-5b851000-71a3-4772-8c']);
  expect(await removeFilter(network)).toBeUndefined();
  expect(asked()).toEqual(['list tables inet', 'delete table inet CRIU-5b851000-71a3-4772-8c']);
});

test('a name that is not cut is known too', async () => {
  await using dir = tempDir();
  const { network, asked } = fakeNft(dir.path, ['CRIU-5b851000-71a3-4772-8c7f-d9dfd9a286f3']);
  await removeFilter(network);
  expect(asked().at(-1)).toBe('delete table inet CRIU-5b851000-71a3-4772-8c7f-d9dfd9a286f3');
});

test('a table that was never made is nothing to say', async () => {
  await using dir = tempDir();
  const { network, asked } = fakeNft(dir.path, ['filter']);
  expect(await removeFilter(network)).toBeUndefined();
  expect(asked()).toEqual(['list tables inet']);
});

test('without a run id the table is left, and that is said', async () => {
  await using dir = tempDir();
  const { network } = fakeNft(dir.path, ['CRIU-5b851000-71a3-4772-8c']);
  expect(await removeFilter({ ...network, log: '' })).toMatch(/name of its table/);
});

test('an nft that fails is an error with the command that is left to do', async () => {
  await using dir = tempDir();
  const { network } = fakeNft(dir.path, []);
  writeFileSync(join(dir.path, 'nft'), '#!/bin/sh\nexit 1\n');
  await expect(removeFilter(network)).rejects.toThrow(/nft delete table inet CRIU-5b851000-71a3-4772-8c"/);
});

test('rules of iptables are only reported, and only when CRIU made some', async () => {
  const network = { criu: '/nowhere/criu', method: undefined, images: '/nowhere' };
  expect(await removeFilter({ ...network, log: 'net: Lock network' })).toBeUndefined();
  const log = '(00.1) \tRunning iptables [iptables -w -t filter -I INPUT ...]';
  expect(await removeFilter({ ...network, log })).toMatch(/iptables-save/);
  expect(await removeFilter({ ...network, method: 'SKIP', log })).toBeUndefined();
});
