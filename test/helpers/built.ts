// Programs that a test starts as they are installed, not through their sources.

import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { need } from './needs.js';

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

export const BUILT = need('a built command line', !existsSync(MAIN) && 'run npm run build');
