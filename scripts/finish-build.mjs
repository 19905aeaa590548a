// After tsc: the command must be executable (tsc does not keep modes, and npm sets them only on install).

import { chmodSync, existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const MAIN = join(dirname(dirname(fileURLToPath(import.meta.url))), 'dist', 'cli', 'main.js');
if (existsSync(MAIN)) chmodSync(MAIN, 0o755);
