// Finds and loads the addon, once per thread and only when it is first needed: `import 'frazil'` must work, quickly, where
// it has not been built. Both builds put it at build/Release/frazil.node of the package; src/addon and dist/addon lie
// equally deep, so one relative path serves sources and release.

import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { CheckpointError } from '../errors/checkpoint-error.js';
import type { Native } from './native.js';

const BUILT = fileURLToPath(new URL('../../build/Release/frazil.node', import.meta.url));
const require = createRequire(import.meta.url);

/** Where the addon is; `FRAZIL_ADDON` names another build of it, such as a sanitizer's. */
export const ADDON = process.env['FRAZIL_ADDON'] ?? BUILT;

let loaded: Native | undefined;

/** The addon. Throws ADDON_MISSING. */
export function native(): Native {
  loaded ??= load(ADDON);
  return loaded;
}

function load(path: string): Native {
  try {
    // The one place where the type of foreign code is asserted; test/integration/addon compares it with what is there.
    return require(path) as Native;
  } catch (cause) {
    const message = `Cannot load the native addon: "${path}" is missing or does not fit this Node. Run "npm run build:native", or "npm rebuild frazil" where it is a dependency`;
    throw new CheckpointError('ADDON_MISSING', message, { tried: [path] }, { cause });
  }
}
