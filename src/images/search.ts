// Byte patterns in the memory of a checkpoint: of all tasks and shared memory objects, through the parent chain.

import { availableParallelism } from 'node:os';
import { type SearchCounters, searchImages } from '../addon/images.js';
import { assertNotAborted } from '../errors/aborted.js';
import { imageError, listPagemaps, type PagemapName } from './pagemaps.js';
import { openDirectory } from './staging.js';

export interface MemoryMatch {
  /** The task's pid in its own namespace, or the shared memory object. */
  readonly in: Pick<PagemapName, 'kind' | 'id'>;
  /** For a shared memory object the offset in it. */
  readonly address: bigint;
  /** Index in the patterns. */
  readonly pattern: number;
  /** What lies around it, as far as `context` says and the pages beside it are stored. */
  readonly before: Uint8Array;
  readonly after: Uint8Array;
}

export interface SearchReport {
  readonly imagesDir: string;
  /** By task, address, pattern. */
  readonly matches: readonly MemoryMatch[];
  /** There may be more than `limit`. */
  readonly truncated: boolean;
  readonly bytesSearched: number;
}

export interface SearchOptions {
  /** The first ones; default 1000. */
  readonly limit?: number;
  /** Bytes before and after each match, at most 4096; default 32. */
  readonly context?: number;
  /** Only tasks with these pids; default: all, and shared memory. */
  readonly pids?: readonly number[];
  /** Default: as many as processors. */
  readonly threads?: number;
  readonly signal?: AbortSignal | undefined;
  /** Called once, with where the figures of the moment can be had. */
  readonly watch?: (snapshot: () => SearchCounters) => void;
}

const LIMIT = 1000;
const MOST = 1_000_000;
const CONTEXT = 32;
const MOST_CONTEXT = 4096;
const MOST_THREADS = 64;
const LONGEST_PATTERN = 65536;

/**
 * Where `patterns` (each 1 to 65536 bytes; a string is its UTF-8) lie. What is not in the images is not searched: pages that a file on disk
 * still holds, and zero pages that were never written. Throws IMAGES_CORRUPT, FEATURE_MISSING, IO, ABORTED.
 */
export async function searchMemory(
  imagesDir: string,
  patterns: readonly (string | Uint8Array)[],
  options: SearchOptions = {},
): Promise<SearchReport> {
  const { limit = LIMIT, context = CONTEXT, signal } = options;
  const threads = options.threads ?? Math.min(availableParallelism(), MOST_THREADS);
  const bytes = patterns.map(toBytes);
  requireRange('limit', limit, 1, MOST);
  requireRange('context', context, 0, MOST_CONTEXT);
  requireRange('threads', threads, 1, MOST_THREADS);
  assertNotAborted(`search "${imagesDir}"`, signal);
  const images = (await listPagemaps(imagesDir)).filter((image) => isWanted(image, options.pids));
  using directory = await openDirectory(imagesDir);
  const names = images.map(({ name }) => name);
  const job = searchImages({ directory, names, patterns: bytes, limit, context, threads, signal });
  options.watch?.(() => job.snapshot());
  const { fault, matches, truncated } = await job.done;
  if (fault !== undefined) throw imageError('search', imagesDir, fault);
  const found = matches.flatMap(({ image, vaddr, pattern, before, after }): readonly MemoryMatch[] => {
    const { kind, id } = images[image] ?? {};
    return kind === undefined || id === undefined ? [] : [{ in: { kind, id }, address: vaddr, pattern, before, after }];
  });
  return { imagesDir, matches: found, truncated, bytesSearched: job.snapshot().bytes };
}

function isWanted({ kind, id }: PagemapName, pids: readonly number[] | undefined): boolean {
  return pids === undefined || (kind === 'task' && pids.includes(id));
}

function toBytes(pattern: string | Uint8Array): Uint8Array {
  const bytes = typeof pattern === 'string' ? Buffer.from(pattern) : pattern;
  if (bytes.length >= 1 && bytes.length <= LONGEST_PATTERN) return bytes;
  throw new RangeError(`Cannot search for a pattern of ${bytes.length} bytes: it must have 1 to ${LONGEST_PATTERN}`);
}

function requireRange(name: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return;
  throw new RangeError(`Cannot search with ${name} ${value}: it must be from ${least} to ${most}`);
}
