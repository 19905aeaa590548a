// The members of a tar stream, one after the other, as a checkpoint may have them: files, folders, and links for the caller to judge. All
// else is refused with the member's name. Headers are decoded by the package `tar`; what the stream may say, and when, is decided here.
//
// An archive is read by us and perhaps by others (GNU tar, Podman, Go). Where readers differ an attacker hides, so whatever has two
// meanings is refused: sizes on folders, a pax and a GNU name at once, a name or size for all members, a member twice.

import { Header } from 'tar';
import { corrupt } from '../errors.js';
import { BLOCK_BYTES, paddingOf } from './head.js';
import { memberName } from './member-name.js';
import { type PaxRecords, parsePax } from './pax.js';

/** The uncompressed bytes of an archive, from the first to the last. */
export interface TarStream {
  /** How many bytes were read so far. */
  readonly position: number;
  /** Fewer than asked for only at the end. */
  read(bytes: number): Promise<Buffer>;
  /** Fewer than asked for only at the end. */
  skip(bytes: number): Promise<number>;
}

export interface TarEntry {
  readonly name: string;
  readonly kind: 'file' | 'directory' | 'link';
  /** Of its content, which is next in the stream. */
  readonly bytes: number;
  /** Where its content begins. */
  readonly at: number;
  /** Where a link leads to, as written. */
  readonly target?: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: Date;
  /** Extended attributes, by name. */
  readonly xattrs: ReadonlyMap<string, Buffer>;
}

/** More than any tree has tasks and files, and few enough to remember all names. */
const MOST_MEMBERS = 1_000_000;
const LARGEST_PAX_BYTES = 1 << 20;
const LARGEST_NAME_BYTES = 4096;
/** Of one member: a pax header for all, one for it, two GNU names. */
const MOST_EXTENSIONS = 4;
const XATTR = 'SCHILY.xattr.';

interface Pending {
  pax: PaxRecords;
  longName?: string;
  longLink?: string;
}

/**
 * Yields every member; what of its content the caller has not read is skipped. Ends behind the two zero blocks. Throws ARCHIVE_CORRUPT,
 * naming `archive` and the member.
 */
export async function* entriesOf(stream: TarStream, archive: string): AsyncGenerator<TarEntry, void, undefined> {
  const seen = new Map<string, TarEntry['kind']>();
  for (;;) {
    const found = await nextHeader(stream, archive);
    if (found === undefined) return;
    const entry = entryOf(found, stream.position, archive);
    if (entry === undefined) continue;
    remember(entry, seen, archive);
    yield entry;
    await skipRest(stream, entry, archive);
  }
}

interface Found {
  readonly header: Header;
  readonly block: Buffer;
  readonly pending: Pending;
}

async function nextHeader(stream: TarStream, archive: string): Promise<Found | undefined> {
  const pending: Pending = { pax: new Map() };
  for (let extensions = 0; ; extensions += 1) {
    const block = await readBlock(stream, archive);
    if (block === undefined) {
      if (extensions > 0) throw corrupt(archive, 'it ends behind a header without its member');
      return undefined;
    }
    const header = decode(block, archive);
    if (!isExtension(header)) return { header, block, pending };
    if (extensions >= MOST_EXTENSIONS) throw corrupt(archive, 'it has too many headers', header.path ?? '');
    await extend(pending, header, await readBody(stream, header, archive), archive);
  }
}

/** `undefined` for the first of the two zero blocks at the end, when the second follows. */
async function readBlock(stream: TarStream, archive: string): Promise<Buffer | undefined> {
  const block = await stream.read(BLOCK_BYTES);
  if (block.length < BLOCK_BYTES) throw corrupt(archive, `it is cut short at byte ${stream.position}`);
  if (!isZero(block)) return block;
  const second = await stream.read(BLOCK_BYTES);
  if (second.length < BLOCK_BYTES) throw corrupt(archive, 'its last block is missing');
  if (!isZero(second)) throw corrupt(archive, `it goes on behind a zero block at byte ${stream.position}`);
  return undefined;
}

function decode(block: Buffer, archive: string): Header {
  let header: Header;
  try {
    header = new Header(block);
  } catch (cause) {
    throw corrupt(archive, `a header is none: ${String(cause)}`);
  }
  if (!header.cksumValid) throw corrupt(archive, 'its header has a wrong checksum', header.path);
  if (header.size === undefined || !Number.isSafeInteger(header.size))
    throw corrupt(archive, 'its size is no number', header.path);
  return header;
}

function isExtension({ type }: Header): boolean {
  return (
    type === 'ExtendedHeader' ||
    type === 'GlobalExtendedHeader' ||
    type === 'OldExtendedHeader' ||
    type === 'NextFileHasLongPath' ||
    type === 'NextFileHasLongLinkpath' ||
    type === 'OldGnuLongPath'
  );
}

async function readBody(stream: TarStream, { size = 0, path, type }: Header, archive: string): Promise<Buffer> {
  const most = type?.includes('ExtendedHeader') === true ? LARGEST_PAX_BYTES : LARGEST_NAME_BYTES;
  if (size > most) throw corrupt(archive, `its header says that it is ${size} bytes long`, path);
  const whole = await stream.read(size + paddingOf(size));
  if (whole.length < size + paddingOf(size)) throw corrupt(archive, 'it is cut short in a header', path);
  return whole.subarray(0, size);
}

async function extend(pending: Pending, header: Header, body: Buffer, archive: string): Promise<void> {
  switch (header.type) {
    case 'NextFileHasLongPath':
    case 'OldGnuLongPath':
      assertNew(pending.longName, header, archive);
      pending.longName = upToZero(body);
      return;
    case 'NextFileHasLongLinkpath':
      assertNew(pending.longLink, header, archive);
      pending.longLink = upToZero(body);
      return;
    case 'GlobalExtendedHeader':
      assertHarmless(paxOf(body, header, archive), archive);
      return;
    default:
      if (pending.pax.size > 0) throw corrupt(archive, 'it has two pax headers', header.path);
      pending.pax = paxOf(body, header, archive);
  }
}

function assertNew(value: string | undefined, header: Header, archive: string): void {
  if (value !== undefined) throw corrupt(archive, 'it has two long names', header.path);
}

function paxOf(body: Buffer, header: Header, archive: string): PaxRecords {
  try {
    return parsePax(body);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw corrupt(archive, cause.message, header.path);
  }
}

const DECISIVE: ReadonlySet<string> = new Set(['path', 'linkpath', 'size']);

// A header for all members that follow: comments are harmless, names and sizes are a trick.
function assertHarmless(pax: PaxRecords, archive: string): void {
  const key = [...pax.keys()].find((one) => DECISIVE.has(one) || one.startsWith('GNU.sparse.'));
  if (key !== undefined) throw corrupt(archive, `a header sets "${key}" for all members`);
}

const KINDS: Partial<Record<string, TarEntry['kind']>> = {
  File: 'file',
  OldFile: 'file',
  ContiguousFile: 'file',
  Directory: 'directory',
  SymbolicLink: 'link',
};

const REFUSED: Partial<Record<string, string>> = {
  Link: 'it is a hard link',
  CharacterDevice: 'it is a device',
  BlockDevice: 'it is a device',
  FIFO: 'it is a named pipe',
};

/** `undefined` for the folder of the archive itself. */
function entryOf({ header, block, pending }: Found, at: number, archive: string): TarEntry | undefined {
  const { pax, longName, longLink } = pending;
  const written = text(pax, 'path') ?? longName ?? nameIn(block);
  const named = memberName(written);
  if (named.kind === 'refused') throw corrupt(archive, named.why, written);
  if (pax.has('path') && longName !== undefined) throw corrupt(archive, 'it has two names', written);
  // One of a type that the package does not know has a type, too: its letter.
  const kind = KINDS[header.type];
  const sparse = [...pax.keys()].some((key) => key.startsWith('GNU.sparse.'));
  if (sparse || header.typeKey === 'S') throw corrupt(archive, 'it is a sparse file', written);
  if (kind === undefined) throw corrupt(archive, REFUSED[header.type] ?? 'its kind is unknown', written);
  const bytes = sizeOf(header, block, pax, { archive, written });
  if (kind !== 'file' && bytes !== 0) throw corrupt(archive, `it is no file and has ${bytes} bytes`, written);
  if (named.kind === 'root') {
    if (kind === 'directory') return undefined;
    throw corrupt(archive, 'it has the name of the archive itself', written);
  }
  const target = text(pax, 'linkpath') ?? longLink ?? header.linkpath;
  return {
    name: named.name,
    kind,
    bytes,
    at,
    ...(kind === 'link' ? { target: target ?? '' } : {}),
    mode: (header.mode ?? 0) & 0o7777,
    uid: number(pax, 'uid') ?? header.uid ?? 0,
    gid: number(pax, 'gid') ?? header.gid ?? 0,
    mtime: mtimeOf(pax, header),
    xattrs: new Map(
      [...pax].flatMap(([key, value]) => (key.startsWith(XATTR) ? [[key.slice(XATTR.length), value] as const] : [])),
    ),
  };
}

const TYPE_AT = 156;

// The package takes a file whose name ends in "/" for an empty folder, whatever size it has: others do not.
function sizeOf(
  header: Header,
  block: Buffer,
  pax: PaxRecords,
  { archive, written }: { readonly archive: string; readonly written: string },
): number {
  const said = pax.get('size');
  if (said !== undefined) {
    const size = /^\d{1,16}$/.test(said.toString('latin1')) ? Number(said.toString('latin1')) : Number.NaN;
    if (!Number.isSafeInteger(size)) throw corrupt(archive, 'its size is no number', written);
    return size;
  }
  if (header.type !== 'Directory') return header.size ?? 0;
  const asFile = Buffer.from(block);
  asFile[TYPE_AT] = '7'.charCodeAt(0);
  return new Header(asFile).size ?? 0;
}

function text(pax: PaxRecords, key: string): string | undefined {
  return pax.get(key)?.toString('utf8');
}

function number(pax: PaxRecords, key: string): number | undefined {
  const found = Number(text(pax, key));
  return Number.isSafeInteger(found) && found >= 0 && pax.has(key) ? found : undefined;
}

function mtimeOf(pax: PaxRecords, header: Header): Date {
  const seconds = Number(text(pax, 'mtime'));
  const time = pax.has('mtime') && Number.isFinite(seconds) ? new Date(seconds * 1000) : header.mtime;
  return time === undefined || Number.isNaN(time.getTime()) ? new Date(0) : time;
}

// A folder may come twice, and may come behind what is in it; nothing else may.
function remember({ name, kind }: TarEntry, seen: Map<string, TarEntry['kind']>, archive: string): void {
  const before = seen.get(name);
  if (before !== undefined && !(before === 'directory' && kind === 'directory'))
    throw corrupt(archive, 'it is in the archive twice', name);
  for (let slash = name.lastIndexOf('/'); slash > 0; slash = name.lastIndexOf('/', slash - 1)) {
    const above = name.slice(0, slash);
    const is = seen.get(above);
    if (is !== undefined && is !== 'directory')
      throw corrupt(archive, `it lies below "${above}", which is no folder`, name);
    if (is === 'directory') break;
    seen.set(above, 'directory');
  }
  seen.set(name, kind);
  if (seen.size > MOST_MEMBERS) throw corrupt(archive, `it has more than ${MOST_MEMBERS} members`, name);
}

async function skipRest(stream: TarStream, { name, at, bytes }: TarEntry, archive: string): Promise<void> {
  const left = at + bytes + paddingOf(bytes) - stream.position;
  if (left === 0) return;
  if (left < 0) throw new RangeError(`Cannot go on behind "${name}": more than its content was read`);
  if ((await stream.skip(left)) < left) throw corrupt(archive, 'it is cut short', name);
}

const MAGIC_AT = 257;
const PREFIX_AT = 345;

// Not the package's: it goes on behind a zero byte when a newline follows.
function nameIn(block: Buffer): string {
  const name = upToZero(block.subarray(0, 100));
  const prefix =
    block.toString('latin1', MAGIC_AT, MAGIC_AT + 6) === 'ustar\0' ? upToZero(block.subarray(PREFIX_AT, 500)) : '';
  return prefix === '' ? name : `${prefix}/${name}`;
}

function upToZero(body: Buffer): string {
  const end = body.indexOf(0);
  return body.toString('utf8', 0, end === -1 ? body.length : end);
}

function isZero(block: Buffer): boolean {
  return block.every((byte) => byte === 0);
}
