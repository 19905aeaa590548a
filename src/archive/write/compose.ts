// What an archive consists of beside its pages, and in which order: docs/design/archive.md, section 1. Names and headers are made here,
// bytes of images are moved by native/archive.

import { createHash } from 'node:crypto';
import { lstat, readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { ArchiveAddition, ArchiveWriter, PagesMember } from '../../addon/archive-writer.js';
import type { Fd } from '../../addon/fd.js';
import { openDirectory } from '../../images/staging.js';
import type { BytesMember, Member } from '../create/members.js';
import { additionOf } from '../create/tree-content.js';
import { INDEX_NAME, type IndexedMember, renderIndex, type Signer, sealIn } from '../frazil-index.js';
import { BLOCK_BYTES, END_BYTES, headOf, PAGES_HEAD_BYTES, paddingOf, pagesHeadOf } from '../tar/head.js';
import type { TreeMember } from '../tree/trees.js';

export const CHECKPOINT_DIRECTORY = 'checkpoint';
const INVENTORY = 'inventory.img';
/** What the native writer compresses at a time: native/archive/frame_pool.h. */
const FRAME_BYTES = 256 * 1024;

/** What stands before the directory and before the pages of each image. */
export function pageHeads(members: readonly PagesMember[], mtime: Date): readonly Buffer[] {
  return [
    pagesHeadOf({ name: CHECKPOINT_DIRECTORY, kind: 'directory', bytes: 0, mtime }),
    ...members.map(({ pagesId, bytes }) => pagesHeadOf({ name: pagesName(pagesId), kind: 'file', bytes, mtime })),
  ];
}

function pagesName(pagesId: number): string {
  return `${CHECKPOINT_DIRECTORY}/pages-${pagesId}.img`;
}

/** A member from a file: `file` in some directory becomes `name`. */
interface FileMember {
  readonly file: string;
  readonly name: string;
  readonly bytes: number;
}

/** Follows the stream from the end of the pages on: where each member lies, and what the writer is told. */
export class Composer {
  readonly #mtime: Date;
  readonly #members: IndexedMember[];
  readonly #digests: boolean;
  #at: number;

  constructor(pages: readonly PagesMember[], mtime: Date, digests: boolean) {
    this.#mtime = mtime;
    this.#digests = digests;
    this.#members = pages.map(({ pagesId, at, bytes }) => ({ name: pagesName(pagesId), at, bytes, pagesId }));
    this.#at = Math.max(PAGES_HEAD_BYTES, ...pages.map(({ at, bytes }) => at + bytes));
  }

  file({ file, name, bytes }: FileMember): ArchiveAddition {
    const head = this.#head(name, bytes);
    return { head, name: file, bytes };
  }

  small({ name, content }: BytesMember): ArchiveAddition {
    const sha256 = this.#digests ? createHash('sha256').update(content).digest('hex') : undefined;
    const head = this.#head(name, content.length, sha256);
    return { head: Buffer.concat([head, content, Buffer.alloc(paddingOf(content.length))]) };
  }

  /** An archive within the archive: its head, then what its entries are. */
  tree(member: TreeMember): ArchiveAddition {
    return { head: this.#head(member.name, member.bytes) };
  }

  /** The index, and what ends every archive. `digests` are those of all members so far, or none. */
  end({ profile, compressed, signer }: Ending, digests: readonly Uint8Array[]): { head: Buffer; sha256: string } {
    const members = this.#members.map((member, at) => withDigest(member, digests[at]));
    const frames = compressed ? { frameBytes: FRAME_BYTES } : {};
    // Whole blocks, as its name is short enough for a head of one.
    const content = renderIndex({ profile, ...frames, members }, this.#at + BLOCK_BYTES, signer);
    const head = headOf({ name: INDEX_NAME, kind: 'file', bytes: content.length, mtime: this.#mtime });
    return { head: Buffer.concat([head, content, Buffer.alloc(END_BYTES)]), sha256: sealIn(content) };
  }

  #head(name: string, bytes: number, sha256?: string): Buffer {
    const head = headOf({ name, kind: 'file', bytes, mtime: this.#mtime });
    const at = this.#at + head.length;
    this.#members.push({ name, at, bytes, ...(sha256 === undefined ? {} : { sha256 }) });
    this.#at = at + bytes + paddingOf(bytes);
    return head;
  }
}

interface Ending {
  readonly profile: string;
  readonly compressed: boolean;
  readonly signer: Signer | undefined;
}

// Of a small member the content was digested where it was made.
function withDigest(member: IndexedMember, digest: Uint8Array | undefined): IndexedMember {
  if (digest === undefined || member.sha256 !== undefined) return member;
  return { ...member, sha256: Buffer.from(digest).toString('hex') };
}

export interface Composition extends Ending {
  readonly writer: ArchiveWriter;
  readonly pages: readonly PagesMember[];
  /** The small images, the pagemaps among them. */
  readonly images: Fd;
  /** CRIU's log and figures. */
  readonly work: { readonly fd: Fd; readonly path: string; readonly logFile: string };
  readonly figures: readonly string[];
  readonly members: readonly Member[];
  readonly digests: boolean;
  readonly mtime: Date;
  readonly signal: AbortSignal;
}

/** Everything after the pages; gives the digest of the whole. Rejects with IO or ABORTED. */
export async function appendRest(composition: Composition): Promise<string> {
  const { writer, pages, images, work, figures, members, digests, mtime, signal } = composition;
  const composer = new Composer(pages, mtime, digests);
  const path = `/proc/self/fd/${images.number}`;
  const small = await filesOf(path, inventoryLast(await readdir(path)), (file) => `${CHECKPOINT_DIRECTORY}/${file}`);
  const left = [work.logFile, 'stats-dump'].filter((file) => figures.includes(nameOfFigure(file, work.logFile)));
  const logs = await filesOf(work.path, left, (file) => nameOfFigure(file, work.logFile));
  const addFiles = async (from: Fd, files: readonly FileMember[]): Promise<void> => {
    const additions = files.map((file) => composer.file(file));
    if (additions.length > 0) await writer.append(from, additions, { signal }).done;
  };
  await addFiles(images, small);
  await addFiles(work.fd, logs);
  for (const member of members) await appendMember(member, { composer, writer, images, signal });
  const { head, sha256 } = composer.end(composition, digests ? writer.digests() : []);
  await writer.append(images, [{ head }], { signal }).done;
  return sha256;
}

interface Appending {
  readonly composer: Composer;
  readonly writer: ArchiveWriter;
  /** A directory, for what needs none. */
  readonly images: Fd;
  readonly signal: AbortSignal;
}

async function appendMember(member: Member, { composer, writer, images, signal }: Appending): Promise<void> {
  if (member.kind === 'tree') return appendTree(member, composer.tree(member), { writer, signal });
  if (member.kind === 'bytes') return writer.append(images, [composer.small(member)], { signal }).done;
  if (member.kind !== 'file') throw new TypeError(`Cannot append ${member.kind} "${member.name}"`);
  using folder = await openDirectory(dirname(member.path));
  const addition = composer.file({ file: basename(member.path), name: member.name, bytes: member.bytes });
  await writer.append(folder, [addition], { signal }).done;
}

/** How many files a job is given: it holds all their heads. */
const BATCH = 256;

async function appendTree(
  { folder, entries }: TreeMember,
  head: ArchiveAddition,
  { writer, signal }: Pick<Appending, 'writer' | 'signal'>,
): Promise<void> {
  await writer.append(folder, [head], { signal }).done;
  for (let at = 0; at < entries.length; at += BATCH) {
    const additions = entries.slice(at, at + BATCH).map((entry) => ({ ...additionOf(entry), within: true }));
    await writer.append(folder, additions, { signal }).done;
  }
  await writer.append(folder, [{ head: Buffer.alloc(END_BYTES), within: true }], { signal }).done;
}

function inventoryLast(names: readonly string[]): readonly string[] {
  const others = names.filter((name) => name !== INVENTORY && name !== 'parent').sort();
  return names.includes(INVENTORY) ? [...others, INVENTORY] : others;
}

function nameOfFigure(file: string, logFile: string): string {
  return file === logFile ? 'dump.log' : file;
}

// As long as they are now: a log may grow meanwhile. What is not there, or is no file, is left out.
async function filesOf(
  directory: string,
  files: readonly string[],
  nameOf: (file: string) => string,
): Promise<readonly FileMember[]> {
  const found = await Promise.all(
    files.map(async (file) => ({ file, status: await lstat(join(directory, file)).catch(() => undefined) })),
  );
  return found.flatMap(({ file, status }) =>
    status?.isFile() === true ? [{ file, name: nameOf(file), bytes: status.size }] : [],
  );
}
