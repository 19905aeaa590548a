// A destination without room for images: the tree stays, the source says why, and nothing is left behind.

import { readdirSync } from 'node:fs';
import { expect } from 'vitest';
import { migrate } from '../../src/migrate/migrate.js';
import { CRIU_42 } from '../helpers/criu-cli.js';
import { expectOne, stage } from '../helpers/migration-stage.js';
import { testWith } from '../helpers/needs.js';
import { until } from '../helpers/until.js';

// The sample by which filling memory is measured alone takes more.
const ROOM = 4 * 2 ** 20;

testWith([CRIU_42.here], 'a disk there that is full before the first page leaves the tree here', async () => {
  await using on = await stage(() => 'pass', { imagesBytes: ROOM });
  const before = await on.target.ask('digest');
  const run = migrate(on.target.pid, { to: on.proxy.address, criu: CRIU_42.path });
  await expect(run.done).rejects.toThrow(/ENOSPC.* The tree runs on here$/);
  await expectOne(on, 'stayed', before);
  expect(await on.host.event('gone')).toMatchObject({ message: expect.stringContaining('ENOSPC') });
  await on.host.event('ended');
  await until('nothing is left there', () => readdirSync(on.images).length === 0);
});
