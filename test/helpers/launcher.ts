// The native launcher, as the build left it.

import { fileURLToPath } from 'node:url';

const at = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));

export const LAUNCHER = at('build/Release/frazil-runc');
