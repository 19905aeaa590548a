// The addon's work on images and byte streams that lie in files: verification, search, diff, squash, copies, filters.

import type { Fd } from './native-core.js';

/** A pages file that is shorter than its pagemap says, or a pagemap that is none. */
export interface BadImage {
  readonly name: string;
  /** Not damaged: it has fields of a CRIU that is newer than we know. */
  readonly newer?: boolean;
  readonly expectedBytes?: number;
  readonly actualBytes?: number;
}

/** What is wrong with an image; native/page/image_fault.h says what each flaw means and which of the numbers it uses. */
export interface ImageFault {
  readonly flaw:
    | 'system'
    | 'not-a-pagemap'
    | 'truncated'
    | 'malformed'
    | 'newer'
    | 'not-sorted'
    | 'pages-missing'
    | 'pages-short'
    | 'hole-unfilled';
  readonly errno: number;
  readonly syscall: string;
  /** 0 is the images directory itself, 1 its parent. */
  readonly level: number;
  /** The file in that directory; "parent" for the link. */
  readonly name: string;
  readonly offset: number;
  readonly vaddr: bigint;
  readonly pages: number;
  readonly wanted: number;
  readonly found: number;
}

export interface ChainCounters {
  readonly images: number;
  readonly runs: number;
  /** With bytes, wherever they lie. */
  readonly pages: number;
  /** Of these, in a parent. */
  readonly parentPages: number;
  readonly deduplicatedPages: number;
}

/** `depth` counts the levels that could be opened, the images directory itself included. */
export interface ChainOutcome extends ChainCounters {
  readonly fault?: ImageFault;
  readonly depth: number;
}

export interface SquashCounters {
  readonly images: number;
  readonly pages: number;
  readonly parentPages: number;
  readonly bytesCopied: number;
  readonly bytesTotal: number;
}

/** Bytes that replace those at an address of a task. */
export interface MemoryPatch {
  readonly vaddr: bigint;
  readonly bytes: Uint8Array;
}

export interface NativeSearchOptions {
  readonly directory: Fd;
  /** Pagemaps in it. */
  readonly names: readonly string[];
  /** Each of 1 to 65536 bytes. */
  readonly patterns: readonly Uint8Array[];
  readonly limit: number;
  /** Bytes around a match, at most 4096 either side. */
  readonly context: number;
  readonly threads: number;
}

export interface NativeMatch {
  /** Index in `names`. */
  readonly image: number;
  /** Index in `patterns`. */
  readonly pattern: number;
  readonly vaddr: bigint;
  readonly before: Uint8Array;
  readonly after: Uint8Array;
}

export interface SearchCounters {
  readonly bytes: number;
  readonly bytesTotal: number;
  readonly matches: number;
}

export interface DiffCounters {
  readonly pages: number;
  readonly bytesRead: number;
}

/** Of a copy: `bytesUser` are those that entered our memory. Of a filter: `bytes` went in, `bytesUser` came out. */
export interface StreamCounters {
  readonly bytes: number;
  readonly bytesUser: number;
}

/** A part of an archive, and how long its uncompressed stream is. */
export interface ArchivePart {
  readonly content: Uint8Array;
  readonly streamBytes: number;
}

export interface NativeStaging {
  readonly archive: Fd;
  /** A line for each pages file: "N AT BYTES". */
  readonly places: Fd;
  /** The folder of the pagemaps. */
  readonly images: Fd;
  readonly pagemaps: readonly string[];
}

export interface NativeCopy {
  readonly from: Fd;
  /** Written at its own position. Absent: the bytes are only read. */
  readonly to?: Fd;
  /** Absent: `from` is read at its own position. */
  readonly fromOffset?: number;
  /** Absent: to the end. */
  readonly bytes?: number;
  readonly sha256?: boolean;
  /** Stretches of zeros become holes of `to`, a regular file. */
  readonly holes?: boolean;
}

export interface CopiedBytes {
  /** Fewer than asked for only when `from` ended. */
  readonly bytes: number;
  readonly sha256?: Uint8Array;
}

export interface NativePack {
  /** The stream of an archive, to its end. */
  readonly from: Fd;
  /** Consumed, and closed when the job ends. */
  readonly to: Fd;
  /** `file`: a regular file of ours alone. */
  readonly form: 'file' | 'stream';
  readonly codec: 'zstd' | 'lz4' | 'gzip';
  readonly level: number;
  readonly threads: number;
  /** Where frames must begin, ascending. */
  readonly cuts: readonly number[];
}

/** EBADMSG: damaged. ENODATA: it ends in the middle. EPIPE: nobody reads `to`. ELIBACC: a library is missing. */
export interface NativeFilter {
  readonly kind: 'un-zstd' | 'un-lz4' | 'un-gzip' | 'age' | 'un-age';
  readonly from: Fd;
  /** Consumed, and closed when the job ends. */
  readonly to: Fd;
  /** What was read from `from` already. */
  readonly prefix?: Uint8Array;
  /** 32 bytes, for age. */
  readonly key?: Uint8Array;
}
