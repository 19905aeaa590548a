// Where scripts/setup has put what the tests run: CRIUs, runtimes, engines, the lab.

import { homedir } from 'node:os';
import { join } from 'node:path';

export const home =
  process.env['FRAZIL_HOME'] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'frazil');
