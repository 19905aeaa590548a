// What an archive is called and how it is compressed. Names decide only here, when one is written; readers look at the content.

import { availableParallelism } from 'node:os';
import type { Compression } from '../../addon/archive-writer.js';
import { type Archive, CODECS, type Codec, type Compress } from '../archive.js';

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

/** Throws RangeError when neither its options nor its name say it. */
export function compressFor({ from, writing, passphrase }: Archive): Compress {
  if (writing.compress !== undefined) return writing.compress;
  if (from.kind !== 'file') return 'none';
  const encrypted = passphrase !== undefined || (writing.recipients ?? []).length > 0;
  return compressOf(encrypted ? from.path.replace(/\.age$/, '') : from.path);
}

const MOST_THREADS = 64;

/** Nothing for an uncompressed one. Throws RangeError for what the codec does not take. */
export function compressionFor(archive: Archive): Compression | undefined {
  const { level, threads = Math.min(MOST_THREADS, availableParallelism()) } = archive.writing;
  const compress = compressFor(archive);
  if (!Number.isInteger(threads) || threads < 1 || threads > MOST_THREADS)
    throw new RangeError(`Cannot compress with ${threads} threads: 1 to ${MOST_THREADS} are possible`);
  if (compress === 'none') {
    if (level === undefined) return undefined;
    throw new RangeError(`Cannot use level ${level}: nothing is compressed`);
  }
  const known = KNOWN[compress];
  const [lowest, highest] = known.levels;
  const chosen = level ?? known.level;
  if (!Number.isInteger(chosen) || chosen < lowest || chosen > highest)
    throw new RangeError(`Cannot use level ${chosen} with ${compress}: it takes ${lowest} to ${highest}`);
  return { codec: compress, level: chosen, threads };
}
