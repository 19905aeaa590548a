// Reading an archive without making anything: what is in it, and whether it is whole.

import { type Operation, operation } from '../../criu/operation.js';
import type { Archive } from '../archive.js';
import { type ArchiveSummary, type WalkProgress, walk } from './walk.js';

export interface ReadCall {
  readonly signal?: AbortSignal;
}

/** What is in it: contents are stepped over where the file allows it, so their digests are not looked at,
 * unless a signature is demanded. Rejects as extract() does. */
export function list(archive: Archive, { signal }: ReadCall = {}): Operation<WalkProgress, ArchiveSummary> {
  const digests = archive.signers.length > 0 ? 'indexed' : 'none';
  return operation(signal, (work) => walk(archive, { signal: work.signal, report: work.emit, digests }));
}

/** Reads every byte: the report has the digest of each member, compared with the index where there is one. Rejects as extract() does. */
export function verify(archive: Archive, { signal }: ReadCall = {}): Operation<WalkProgress, ArchiveSummary> {
  return operation(signal, (work) => walk(archive, { signal: work.signal, report: work.emit, digests: 'all' }));
}
