// Whether this kernel tells which pages were written (CONFIG_MEM_SOFT_DIRTY): without it there is no pre-dump.

import { closeSync, openSync, readFileSync, readSync, writeFileSync } from 'node:fs';
import { type Need, need } from './needs.js';

const SOFT_DIRTY_BIT = 1n << 55n;

export const SOFT_DIRTY: Need = need(
  'soft-dirty tracking',
  !tracks() && 'this kernel has none; run it in the guest: scripts/lab npm run test:softdirty',
);

/** For what happens where there is none. */
export const NO_SOFT_DIRTY: Need = need('no soft-dirty tracking', tracks() && 'this kernel has it');

// After clear_refs the page of a stack that we are standing on is written at once: its bit is set again where there is one.
function tracks(): boolean {
  writeFileSync('/proc/self/clear_refs', '4');
  const [, from] = readFileSync('/proc/self/maps', 'utf8').match(/^\w+-(\w+) .*\[stack\]$/m) ?? [];
  const last = BigInt(`0x${from ?? '1000'}`) / 4096n;
  const pagemap = openSync('/proc/self/pagemap', 'r');
  try {
    const pages = 64;
    const entries = Buffer.alloc(8 * pages);
    readSync(pagemap, entries, 0, entries.length, (last - BigInt(pages)) * 8n);
    return Array.from({ length: pages }, (_, i) => entries.readBigUInt64LE(8 * i)).some(
      (e) => (e & SOFT_DIRTY_BIT) !== 0n,
    );
  } finally {
    closeSync(pagemap);
  }
}
