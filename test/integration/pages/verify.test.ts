// What is told of a pagemap before CRIU gets it: damaged, too much promised, or newer than we know.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { verifyPages } from '../../../src/addon/verify.js';
import { openDirectory } from '../../../src/images/staging.js';
import { tempDir } from '../../helpers/temp-dir.js';

// Two magics, then { pages_id: 1 } and { vaddr: 0x1000, nr_pages: 1, flags: present } as CRIU writes them, each behind its length.
const HEAD = '194356542540085602000000' + '0801';
const ENTRY = '088020' + '1001' + '2004';

function pagemap(entry: string): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(entry.length / 2);
  return Buffer.concat([Buffer.from(HEAD, 'hex'), length, Buffer.from(entry, 'hex')]);
}

test.each([
  ['as it should be', ENTRY, undefined],
  ['with a field that is not known', `${ENTRY}4801`, { newer: true }],
  ['cut in the middle', ENTRY.slice(0, -2), { newer: false }],
])('verifyPages(): a pagemap %s', async (_, entry, bad) => {
  await using dir = tempDir();
  writeFileSync(join(dir.path, 'pagemap-1.img'), pagemap(entry));
  writeFileSync(join(dir.path, 'pages-1.img'), Buffer.alloc(4096));
  using directory = await openDirectory(dir.path);
  const found = await verifyPages(directory, ['pagemap-1.img']).done;
  if (bad === undefined) expect(found).toBeUndefined();
  else expect(found).toMatchObject({ name: 'pagemap-1.img', ...bad });
});

test('verifyPages(): a pages file that is too short', async () => {
  await using dir = tempDir();
  writeFileSync(join(dir.path, 'pagemap-1.img'), pagemap(ENTRY));
  writeFileSync(join(dir.path, 'pages-1.img'), Buffer.alloc(4095));
  using directory = await openDirectory(dir.path);
  const found = await verifyPages(directory, ['pagemap-1.img']).done;
  expect(found).toEqual({ name: 'pages-1.img', expectedBytes: 4096, actualBytes: 4095 });
});
