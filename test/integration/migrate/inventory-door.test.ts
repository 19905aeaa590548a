// The inventory on which a CRIU waits until all images are there.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openInventory } from '../../../src/migrate/destination/copy.js';
import { INVENTORY } from '../../../src/migrate/destination/levels.js';
import { tempDir } from '../../helpers/temp-dir.js';

// The first process of this machine never opens it.
const STRANGER = 1;

it('is reached by nobody when it is closed before', async () => {
  await using dir = tempDir();
  const door = await openInventory(dir.path);
  const reached = door.reached(STRANGER);
  door.close();
  await expect(reached).rejects.toMatchObject({ code: 'CRIU_DIED' });
});

it('is reached by whoever is let in', async () => {
  await using dir = tempDir();
  const door = await openInventory(dir.path);
  const reached = door.reached(STRANGER);
  door.fill(Buffer.from('inventory'));
  const read = readFile(join(dir.path, INVENTORY), 'utf8');
  door.release();
  await reached;
  expect(await read).toBe('inventory');
  door.close();
});
