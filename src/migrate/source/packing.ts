// What is done to pages on their way, besides leaving them out.

import type { PageCodec, PageDelta, PagePacking } from '../../addon/page-streams.js';
import { CheckpointError } from '../../errors/checkpoint-error.js';
import { iterationsOf } from './opened.js';
import type { MigrateOptions } from './options.js';

// lz4 keeps up with most links on one core; zstd is for those that it does not fill.
const LEVELS: Readonly<Record<PageCodec, number>> = { lz4: 1, zstd: 1 };

/** `there`: what the destination can unpack. Throws FEATURE_MISSING when it cannot what is wanted. */
export function packingOf(
  { compress = 'auto' }: MigrateOptions,
  there: readonly PageCodec[],
): { readonly packing?: PagePacking } {
  if (compress === 'none') return {};
  const codec = compress === 'auto' ? there[0] : compress;
  if (compress === 'auto')
    return codec === undefined ? {} : { packing: { codec, level: LEVELS[codec], always: false } };
  if (!there.includes(compress))
    throw new CheckpointError(
      'FEATURE_MISSING',
      `Cannot migrate with ${compress}: the destination has no library for it. Install it there, or pass compress: 'auto'`,
      { feature: compress, option: 'compress' },
    );
  return { packing: { codec: compress, level: LEVELS[compress], always: true } };
}

const MIB = 2 ** 20;
// Of the tree. What it writes again and again within an iteration or two is what the cache is for.
const CACHE_SHARE = 8;
const CACHE_BYTES = { least: 16 * MIB, most: 256 * MIB };

export function deltaOf(options: MigrateOptions, treeBytes: number): { readonly delta?: PageDelta } {
  const { delta = 'auto', deltaCacheBytes } = options;
  // Where everything is sent once there is nothing to compare it with.
  if (delta === 'none' || iterationsOf(options) === 0) return {};
  const share = Math.min(CACHE_BYTES.most, Math.max(CACHE_BYTES.least, Math.floor(treeBytes / CACHE_SHARE)));
  return { delta: { cacheBytes: deltaCacheBytes ?? share, always: delta === 'always' } };
}
