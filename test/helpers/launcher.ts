// The native launcher, as the build left it.

import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { need } from './needs.js';

const at = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));

export const LAUNCHER = at('build/Release/frazil-runc');
export const BUILT = need('a built command line', !existsSync(at('dist/cli/main.js')) && 'run npm run build:ts');
