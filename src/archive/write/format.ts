// What an archive is called and how it is compressed. Names decide only here, when one is written; readers look at the content.

import { availableParallelism } from 'node:os';
import type { Compression } from '../../addon/archive-writer.js';

export const CODECS = ['zstd', 'lz4', 'gzip'] as const;
export type Codec = (typeof CODECS)[number];

/** `none`: an uncompressed tar. */
export type Compress = Codec | 'none';

interface Known {
  readonly suffixes: readonly string[];
  readonly levels: readonly [lowest: number, highest: number];
  /** The one that the codec's own program takes. */
  readonly level: number;
}

const KNOWN: Readonly<Record<Codec, Known>> = {
  zstd: { suffixes: ['.tar.zst', '.tar.zstd', '.tzst'], levels: [-7, 22], level: 3 },
  lz4: { suffixes: ['.tar.lz4'], levels: [0, 12], level: 1 },
  gzip: { suffixes: ['.tar.gz', '.tgz'], levels: [1, 9], level: 6 },
};

/** From the end of a name. Throws RangeError for one that says nothing. */
export function compressOf(name: string): Compress {
  const codec = CODECS.find((one) => KNOWN[one].suffixes.some((suffix) => name.endsWith(suffix)));
  if (codec !== undefined) return codec;
  if (name.endsWith('.tar')) return 'none';
  const known = ['.tar', ...CODECS.map((one) => KNOWN[one].suffixes[0])].join(', ');
  throw new RangeError(`Cannot tell from "${name}" how to compress: name it ${known}, or pass compress`);
}

export interface CompressionOptions {
  readonly compress: Compress;
  readonly level?: number | undefined;
  readonly threads?: number | undefined;
}

const MOST_THREADS = 64;

/** Nothing for `none`. Throws RangeError for what the codec does not take. */
export function compressionOf({ compress, level, threads }: CompressionOptions): Compression | undefined {
  const wanted = threads ?? Math.min(MOST_THREADS, availableParallelism());
  if (!Number.isInteger(wanted) || wanted < 1 || wanted > MOST_THREADS)
    throw new RangeError(`Cannot compress with ${wanted} threads: 1 to ${MOST_THREADS} are possible`);
  if (compress === 'none') {
    if (level === undefined) return undefined;
    throw new RangeError(`Cannot use level ${level}: nothing is compressed`);
  }
  const { levels, level: usual } = KNOWN[compress];
  const [lowest, highest] = levels;
  const chosen = level ?? usual;
  if (!Number.isInteger(chosen) || chosen < lowest || chosen > highest)
    throw new RangeError(`Cannot use level ${chosen} with ${compress}: it takes ${lowest} to ${highest}`);
  return { codec: compress, level: chosen, threads: wanted };
}
