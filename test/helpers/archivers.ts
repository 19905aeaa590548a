// Programs of others that read and write archives: scripts/setup --lab brings them.

import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { need } from './needs.js';
import { home } from './prefix.js';

const folder = join(home, 'archivers/usr/bin');

export const archivers = need(
  'bsdtar, age, zstd and lz4 in the private prefix',
  !existsSync(join(folder, 'bsdtar')) && `no ${folder}; run scripts/setup --lab`,
);

export function archiver(
  name: 'bsdtar' | 'age' | 'age-keygen' | 'zstd' | 'lz4',
  args: readonly string[],
  input?: Buffer,
): Buffer {
  return execFileSync(join(folder, name), args, { maxBuffer: 1 << 28, ...(input === undefined ? {} : { input }) });
}
