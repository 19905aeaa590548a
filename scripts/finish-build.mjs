// After tsc: the commands must be executable (tsc does not keep modes, and npm sets them only on install), and frazil-runc needs a
// file that npm can link to. It does the same as the launcher that scripts/install.mjs puts in its place, only slower.

import { chmodSync, existsSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const DIST = join(dirname(dirname(fileURLToPath(import.meta.url))), 'dist');
const MAIN = join(DIST, 'cli', 'main.js');
const RUNC = join(DIST, 'frazil-runc');
if (existsSync(MAIN)) {
  chmodSync(MAIN, 0o755);
  writeFileSync(RUNC, "#!/usr/bin/env node\nprocess.argv.splice(2, 0, 'runc');\nawait import('./cli/main.js');\n");
  chmodSync(RUNC, 0o755);
}
