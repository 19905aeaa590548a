// Every fd that a test opens must be closed when it ends.

import { fdsOf } from '../../helpers/procfs.js';
import { type TempDir, withTempDir } from '../../helpers/temp-dir.js';
import { until } from '../../helpers/until.js';

const count = (): number => Object.keys(fdsOf('self')).length;

/** Runs `use` in a folder of its own and waits until there are as many fds as before: a job closes its own just after it settles. */
export async function keepingFds(use: (dir: TempDir) => Promise<void>): Promise<void> {
  const before = count();
  await withTempDir('disk', use);
  await until('every fd is closed', () => count() <= before);
}
