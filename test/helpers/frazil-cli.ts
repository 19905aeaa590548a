// The command line as a process of its own, from the sources.

import { fileURLToPath } from 'node:url';

const at = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

export const FRAZIL = [process.execPath, '--import', at('./ts-hooks.mjs'), at('../../src/cli/main.ts')] as const;
