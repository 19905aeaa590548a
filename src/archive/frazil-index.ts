// frazil.index, the last member of an archive: what lies where, and what it hashes to (docs/design/archive.md, section 3).

import { createHash } from 'node:crypto';
import { corrupt } from './errors.js';

export const INDEX_NAME = 'frazil.index';
export const INDEX_VERSION = 1;
/** Of the last line, with its newline: a reader finds the rest from there. */
export const INDEX_TAIL_BYTES = 512;

export interface IndexedMember {
  readonly name: string;
  /** Of its content in the uncompressed stream. */
  readonly at: number;
  readonly bytes: number;
  /** N of `pages-N.img`, of pages. */
  readonly pagesId?: number;
  /** Of the content, in hex. */
  readonly sha256?: string;
  /** Where it leads to, of a link. */
  readonly link?: string;
}

export interface Seal {
  /** Of all lines in front of this one, in hex: with the members' own digests it is the digest of the whole. */
  readonly sha256: string;
  /** Of those 32 bytes. */
  readonly signature?: { readonly kind: 'ed25519'; readonly publicKey: string; readonly value: string };
}

export interface FrazilIndex {
  readonly profile: string;
  /** Of the stream, at most, in a compressed frame; absent when it is not compressed in frames. */
  readonly frameBytes?: number;
  readonly members: readonly IndexedMember[];
  readonly seal: Seal;
}

/** `sign` is given the digest of the whole, and gives the signature to write down. */
export type Signer = (sha256: Uint8Array) => NonNullable<Seal['signature']>;

/** The member's content, when it will lie at `at` of the stream. */
export function renderIndex(index: Omit<FrazilIndex, 'seal'>, at: number, sign?: Signer): Buffer {
  const { profile, frameBytes, members } = index;
  const head = { frazilIndex: INDEX_VERSION, profile, ...(frameBytes === undefined ? {} : { frameBytes }) };
  const lines = Buffer.from([head, ...members].map((line) => `${JSON.stringify(line)}\n`).join(''));
  const digest = createHash('sha256').update(lines).digest();
  const signature = sign?.(digest);
  const seal: Seal = { sha256: digest.toString('hex'), ...(signature === undefined ? {} : { signature }) };
  // Whole blocks, so that the last line is one: blanks behind an object are nothing to a reader.
  const line = JSON.stringify({ seal });
  const padding =
    (INDEX_TAIL_BYTES - ((lines.length + Buffer.byteLength(line) + 1) % INDEX_TAIL_BYTES)) % INDEX_TAIL_BYTES;
  const body = Buffer.concat([lines, Buffer.from(`${line}${' '.repeat(padding)}\n`)]);
  const tail = JSON.stringify({ indexAt: at, indexBytes: body.length + INDEX_TAIL_BYTES });
  return Buffer.concat([body, Buffer.from(`${tail.padEnd(INDEX_TAIL_BYTES - 1)}\n`)]);
}

/** The digest of the whole, in what renderIndex() has made. */
export function sealIn(content: Buffer): string {
  return /"seal":\{"sha256":"([0-9a-f]{64})"/.exec(content.toString('utf8'))?.[1] ?? '';
}

/** Where the index lies, from the last line of it; `undefined` when that is something else. */
export function parseIndexTail(block: Uint8Array): { readonly at: number; readonly bytes: number } | undefined {
  const found = parseLine(Buffer.from(block).toString('utf8'));
  const { indexAt, indexBytes } = found ?? {};
  return isCount(indexAt) && isCount(indexBytes) ? { at: indexAt, bytes: indexBytes } : undefined;
}

/** The content of `frazil.index` of `archive`, which is named in errors. Throws ARCHIVE_CORRUPT. */
export function parseIndex(content: Uint8Array, archive: string): FrazilIndex {
  const text = Buffer.from(content.buffer, content.byteOffset, content.byteLength);
  const lines = text.toString('utf8').trimEnd().split('\n').map(parseLine);
  const [head, ...members] = lines.slice(0, -2);
  const [seal, tail] = lines.slice(-2);
  if (head?.['frazilIndex'] !== INDEX_VERSION)
    throw corrupt(archive, `its version is not ${INDEX_VERSION}, the only one that is known`, INDEX_NAME);
  if (seal === undefined || tail?.['indexBytes'] !== content.length)
    throw corrupt(archive, 'it is cut short', INDEX_NAME);
  const { profile, frameBytes } = head;
  const sealed = parseSeal(seal['seal'], archive);
  assertSealed(sealed, text.subarray(0, lengthOfLines(text, members.length + 1)), archive);
  return {
    profile: typeof profile === 'string' ? profile : 'neutral',
    ...(isCount(frameBytes) ? { frameBytes } : {}),
    members: members.map((line) => parseMember(line, archive)),
    seal: sealed,
  };
}

function assertSealed(seal: Seal, lines: Uint8Array, archive: string): void {
  if (createHash('sha256').update(lines).digest('hex') === seal.sha256) return;
  throw corrupt(archive, 'it was changed: the digest that it ends with is another', INDEX_NAME);
}

function lengthOfLines(text: Buffer, count: number): number {
  let at = 0;
  for (let line = 0; line < count; line += 1) at = text.indexOf('\n', at) + 1;
  return at;
}

function parseMember(line: Readonly<Record<string, unknown>> | undefined, archive: string): IndexedMember {
  const { name, at, bytes, pagesId, sha256, link } = line ?? {};
  if (typeof name !== 'string' || !isCount(at) || !isCount(bytes))
    throw corrupt(archive, `a line of it is none: ${JSON.stringify(line ?? '').slice(0, 100)}`, INDEX_NAME);
  return {
    name,
    at,
    bytes,
    ...(isCount(pagesId) ? { pagesId } : {}),
    ...(typeof sha256 === 'string' ? { sha256 } : {}),
    ...(typeof link === 'string' ? { link } : {}),
  };
}

function parseSeal(seal: unknown, archive: string): Seal {
  if (isObject(seal) && typeof seal['sha256'] === 'string') {
    const { sha256, signature } = seal;
    if (!isObject(signature)) return { sha256 };
    const { kind, publicKey, value } = signature;
    if (kind === 'ed25519' && typeof publicKey === 'string' && typeof value === 'string')
      return { sha256, signature: { kind, publicKey, value } };
  }
  throw corrupt(archive, 'its seal is none that is known', INDEX_NAME);
}

function parseLine(line: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const found: unknown = JSON.parse(line);
    return isObject(found) ? found : undefined;
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
