// An archive from its first byte to its last, once: every member is shown to a visitor, and in the end everything is compared with the index.
// Nothing that a visitor has made may be used before walk() has resolved.

import type { Fd } from '../../addon/fd.js';
import type { Archive } from '../archive.js';
import { corrupt } from '../errors.js';
import { type FrazilIndex, INDEX_NAME, INDEX_TAIL_BYTES, parseIndex, parseIndexTail } from '../frazil-index.js';
import { type FoundProfile, mayHaveStaleTail, profileOf } from '../profiles.js';
import { entriesOf, type TarEntry } from '../tar/entries.js';
import { END_BYTES } from '../tar/head.js';
import { compare, type SeenMember, type SignedBy, signedBy } from './ledger.js';
import { type Compression, type OpenArchive, openArchive } from './open.js';

export interface ArchiveSummary {
  readonly profile: FoundProfile;
  readonly compression: Compression;
  readonly encrypted: boolean;
  readonly members: readonly SeenMember[];
  /** Of the uncompressed stream, up to its end blocks. */
  readonly bytes: number;
  /** Of the file as it lies there. */
  readonly fileBytes?: number;
  /** Of the whole, in hex: that of the index, which has those of the members. */
  readonly sha256?: string;
  readonly signedBy?: SignedBy;
  /** Bytes of an older file behind the end, as CRI-O and containerd leave them. */
  readonly staleTail: boolean;
}

export interface WalkProgress {
  readonly phase: 'reading';
  /** Of the uncompressed stream. */
  readonly bytes: number;
  readonly totalBytes?: number;
}

/** A member's content: to be taken at most once, and before the visitor's promise settles. */
export interface Content {
  /** Into a file, at its position. Zeros may become holes. */
  to(file: Fd, options?: { readonly holes?: boolean }): Promise<void>;
}

export type Visitor = (entry: TarEntry, content: Content) => Promise<void>;

export interface WalkOptions {
  readonly signal: AbortSignal;
  readonly visit?: Visitor;
  readonly report?: (progress: WalkProgress) => void;
  /** Look at the content of every file, to have its digest. Default: where the index has one. */
  readonly digests?: 'all' | 'indexed' | 'none';
  /** Of which files. Default: all. */
  readonly digestsOf?: (name: string) => boolean;
}

const LARGEST_INDEX_BYTES = 64 << 20;
const LARGEST_TAIL_BYTES = 1 << 20;
const TAIL_PIECE_BYTES = 64 << 10;

/** Throws ARCHIVE_CORRUPT, ARCHIVE_LOCKED, ARCHIVE_UNTRUSTED, FEATURE_MISSING, IO, ABORTED, and what the visitor throws. */
export async function walk(archive: Archive, options: WalkOptions): Promise<ArchiveSummary> {
  await using opened = await openArchive(archive, options.signal);
  try {
    const ahead = opened.plain ? await indexOf(opened, archive) : undefined;
    const seen = await visitAll(opened, ahead, archive, options);
    return await conclude(opened, seen, { archive, options });
  } catch (reason) {
    throw await opened.explain(reason);
  }
}

/** The index of an archive whose contents lie in the file as they are; without an own one, nothing. */
async function indexOf({ stream, fileBytes = 0 }: OpenArchive, { name }: Archive): Promise<FrazilIndex | undefined> {
  const tailAt = fileBytes - END_BYTES - INDEX_TAIL_BYTES;
  if (tailAt < 0) return undefined;
  const tail = parseIndexTail(await stream.peek(tailAt, INDEX_TAIL_BYTES));
  if (tail === undefined || tail.bytes > LARGEST_INDEX_BYTES || tail.at + tail.bytes !== tailAt + INDEX_TAIL_BYTES)
    return undefined;
  return parseIndex(await stream.peek(tail.at, tail.bytes), name);
}

interface Seen {
  readonly members: readonly SeenMember[];
  readonly index: FrazilIndex | undefined;
}

async function visitAll(
  { stream, fileBytes, plain }: OpenArchive,
  ahead: FrazilIndex | undefined,
  archive: Archive,
  { visit, report, digests = archive.digests ? 'indexed' : 'none', digestsOf = () => true }: WalkOptions,
): Promise<Seen> {
  const digested = new Set(ahead?.members.flatMap(({ name, sha256 }) => (sha256 === undefined ? [] : [name])));
  // Without the index at hand, nobody knows yet whether it has them.
  const wanted = (name: string): boolean =>
    digestsOf(name) && (digests === 'all' || (digests === 'indexed' && (!plain || digested.has(name))));
  const members: SeenMember[] = [];
  let index: FrazilIndex | undefined;
  for await (const entry of entriesOf(stream, archive.name)) {
    if (index !== undefined) throw corrupt(archive.name, 'it stands behind the index, which is the last', entry.name);
    if (entry.name === INDEX_NAME) index = await readIndex(entry, stream, archive);
    const sha256 = await visitOne(entry, {
      stream,
      archive,
      visit,
      sha256: entry.kind === 'file' && wanted(entry.name),
    });
    const { name, kind, at, bytes, mtime } = entry;
    members.push({
      name,
      kind,
      at,
      bytes,
      mtime,
      ...(sha256 === undefined ? {} : { sha256 }),
      ...(entry.target === undefined ? {} : { target: entry.target }),
    });
    report?.({
      phase: 'reading',
      bytes: stream.position,
      ...(plain && fileBytes !== undefined ? { totalBytes: fileBytes } : {}),
    });
  }
  return { members, index };
}

interface Visit {
  readonly stream: OpenArchive['stream'];
  readonly archive: Archive;
  readonly visit: Visitor | undefined;
  readonly sha256: boolean;
}

/** The digest of its content, in hex, if it was asked for. */
async function visitOne(entry: TarEntry, { stream, archive, visit, sha256 }: Visit): Promise<string | undefined> {
  let digest: Uint8Array | undefined;
  // Read already; it speaks of the archive's bytes and means nothing in a folder.
  if (entry.name === INDEX_NAME) return undefined;
  let taken = false;
  const take = async (to?: Fd, holes = false): Promise<void> => {
    if (taken) throw new RangeError(`Cannot take the content of "${entry.name}" twice`);
    taken = true;
    const copied = await stream.copy(entry.bytes, { ...(to === undefined ? {} : { to }), sha256, holes });
    if (copied.bytes < entry.bytes) throw corrupt(archive.name, 'it is cut short', entry.name);
    digest = copied.sha256;
  };
  await visit?.(entry, { to: (file, { holes = false } = {}) => take(file, holes) });
  if (!taken && sha256) await take();
  return digest === undefined ? undefined : Buffer.from(digest).toString('hex');
}

async function readIndex(entry: TarEntry, stream: OpenArchive['stream'], { name }: Archive): Promise<FrazilIndex> {
  if (entry.kind !== 'file' || entry.bytes > LARGEST_INDEX_BYTES) throw corrupt(name, 'it is no index', entry.name);
  const content = await stream.read(entry.bytes);
  if (content.length < entry.bytes) throw corrupt(name, 'it is cut short', entry.name);
  return parseIndex(content, name);
}

interface Asked {
  readonly archive: Archive;
  readonly options: WalkOptions;
}

async function conclude(
  opened: OpenArchive,
  { members, index }: Seen,
  { archive, options }: Asked,
): Promise<ArchiveSummary> {
  const { stream, compression, encrypted, fileBytes } = opened;
  const bytes = stream.position - END_BYTES;
  const profile =
    index === undefined ? profileOf(new Set(members.map(({ name }) => name))) : foundProfile(index, archive);
  const tolerant = opened.plain && mayHaveStaleTail(profile);
  const staleTail = await readTail(opened, archive, tolerant);
  if (!staleTail) await opened.ended();
  const { digestsOf = () => true } = options;
  const digests = options.digests !== 'none' && archive.digests ? digestsOf : () => false;
  if (index !== undefined) compare(members, index, { archive: archive.name, digests });
  const signature = signedBy(index, archive);
  return {
    profile,
    compression,
    encrypted,
    members,
    bytes,
    ...(fileBytes === undefined ? {} : { fileBytes }),
    ...(index === undefined ? {} : { sha256: index.seal.sha256 }),
    ...(signature === undefined ? {} : { signedBy: signature }),
    staleTail,
  };
}

const PROFILES: ReadonlySet<string> = new Set(['neutral', 'podman', 'cri-o', 'containerd'] satisfies FoundProfile[]);

function foundProfile({ profile }: FrazilIndex, { name }: Archive): FoundProfile {
  if (PROFILES.has(profile)) return profile as FoundProfile;
  throw corrupt(name, `it has the unknown profile "${profile}"`, INDEX_NAME);
}

/** Whether something other than zeros follows. Zeros do: tar fills up to ten KiB. Throws ARCHIVE_CORRUPT where that may not be. */
async function readTail({ stream }: OpenArchive, { name }: Archive, tolerant: boolean): Promise<boolean> {
  const begin = stream.position;
  for (;;) {
    const piece = await stream.read(TAIL_PIECE_BYTES);
    if (piece.length === 0) return false;
    const dirty = piece.some((byte) => byte !== 0);
    if (dirty && tolerant) return true;
    if (dirty) throw corrupt(name, `something follows its end at byte ${begin}`);
    if (stream.position - begin > LARGEST_TAIL_BYTES)
      throw corrupt(name, 'more than a mebibyte of zeros follows its end');
  }
}
