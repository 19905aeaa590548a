// What is done with whole archives, as operations that load their code when they are first asked for: an import of Frazil costs a program a
// few milliseconds, whatever it goes on to use.

import { resolve } from 'node:path';
import { type Operation, operation } from '../criu/operation.js';
import type { Archive } from './archive.js';
import type { ExtractReport } from './read/extract.js';
import type { ArchiveSummary, WalkProgress } from './read/walk.js';

export interface ReadCall {
  readonly signal?: AbortSignal;
}

/**
 * What is in it. Contents are stepped over where the file allows it, so their digests are not looked at, unless a signature is demanded.
 * Rejects with ARCHIVE_CORRUPT, ARCHIVE_LOCKED, ARCHIVE_UNTRUSTED, FEATURE_MISSING, IO or ABORTED.
 */
export function listArchive(archive: Archive, { signal }: ReadCall = {}): Operation<WalkProgress, ArchiveSummary> {
  const digests = archive.signers.length > 0 ? 'indexed' : 'none';
  return operation(signal, async (work) => {
    const { walk } = await import('./read/walk.js');
    return walk(archive, { signal: work.signal, report: work.emit, digests });
  });
}

/**
 * Reads every byte: the report has the digest of each member, compared with the index where there is one. Rejects as listArchive() does.
 */
export function verifyArchive(archive: Archive, { signal }: ReadCall = {}): Operation<WalkProgress, ArchiveSummary> {
  return operation(signal, async (work) => {
    const { walk } = await import('./read/walk.js');
    return walk(archive, { signal: work.signal, report: work.emit, digests: 'all' });
  });
}

/**
 * Extracts everything into `directory`, which does not exist or is empty, all of it 0600 and 0700. Rejects as listArchive() does; then
 * nothing of it is left.
 */
export function extractArchive(
  archive: Archive,
  directory: string,
  { signal }: ReadCall = {},
): Operation<WalkProgress, ExtractReport> {
  if (directory === '') throw new TypeError('Cannot extract into "": the path is empty');
  const place = resolve(directory);
  return operation(signal, async (work) => {
    const { runExtract } = await import('./read/extract.js');
    return runExtract(archive, place, work);
  });
}
