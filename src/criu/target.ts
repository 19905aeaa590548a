// Where a checkpoint goes to and comes from, as a value. Peers and stores join this union in later issues.

import type { Compression } from '../addon/archive-writer.js';
import { type Compress, compressionOf, compressOf } from '../archive/write/format.js';

export interface ImagesDirectory {
  readonly kind: 'directory';
  readonly path: string;
  /** Whether a dump may replace the checkpoint that is there. Default: it is refused (IMAGES_EXIST). */
  readonly replace: boolean;
}

/** CRIU's own format: a directory of `*.img`, made with mode 0700 when it is not there. */
export function imagesDirectory(path: string, options: { readonly replace?: boolean } = {}): ImagesDirectory {
  if (path === '') throw new TypeError('Cannot use "" as an images directory: it is empty');
  return { kind: 'directory', path, replace: options.replace ?? false };
}

export interface ArchiveOptions {
  /** Default: from the name, of which `.tar`, `.tar.zst`, `.tar.lz4` and `.tar.gz` are known; for an fd, `none`. */
  readonly compress?: Compress;
  /** Default: the one of the codec's own program (zstd 3, lz4 1, gzip 6). */
  readonly level?: number;
  /** Compressing threads. Default: one for each processor. */
  readonly threads?: number;
  /** Whether a file of that name may be replaced. Default: it is refused (IMAGES_EXIST). */
  readonly replace?: boolean;
}

export interface Archive {
  readonly kind: 'archive';
  /** A file; or an open fd of a pipe, socket or file, which gets the archive from its first byte to its last and stays open. */
  readonly to: { readonly path: string } | { readonly fd: number };
  readonly options: ArchiveOptions;
}

/** One file with everything: docs/design/archive.md. */
export function archive(to: string | { readonly fd: number }, options: ArchiveOptions = {}): Archive {
  if (to === '') throw new TypeError('Cannot use "" as an archive: it is empty');
  if (typeof to !== 'string') return { kind: 'archive', to: { fd: to.fd }, options };
  return { kind: 'archive', to: { path: to }, options };
}

/** Throws RangeError when the name says nothing about it. */
export function compressFor({ to, options }: Archive): Compress {
  if (options.compress !== undefined) return options.compress;
  return 'path' in to ? compressOf(to.path) : 'none';
}

/** Nothing for an uncompressed one. Throws RangeError for a level or a number of threads that cannot be. */
export function compressionFor(to: Archive): Compression | undefined {
  return compressionOf({ ...to.options, compress: compressFor(to) });
}
