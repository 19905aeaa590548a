// An archive for a lazy restore: its small images as a directory, beside them pages files that hold only what CRIU restores itself, and where the
// rest lies. Nothing else of the archive is read before the tree runs.
//
// It takes an index of ours at the end and contents that can be reached anywhere: an uncompressed file, or one in frames with a seek
// table. The digests of the small images are compared; those of the pages cannot be, before they are read. So an archive whose
// signature is demanded is read to its end before, as every other that is not of that kind.

import { createHash } from 'node:crypto';
import { constants, writeSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { readArchive, stageEager } from '../../addon/archive-reader.js';
import { mkdirBeneath, openBeneath } from '../../addon/beneath.js';
import { Fd } from '../../addon/fd.js';
import { memfd } from '../../addon/files.js';
import { type LazyRanges, markPagemaps } from '../../addon/images.js';
import { writeBytes } from '../../addon/streams.js';
import { CheckpointError } from '../../errors/checkpoint-error.js';
import { Held } from '../../images/held.js';
import type { LazyPagesIn } from '../../images/lazy-pages-in.js';
import { imageError } from '../../images/pagemaps.js';
import { unmarkedRanges } from '../../images/unmarked.js';
import type { Archive } from '../archive.js';
import { corrupt } from '../errors.js';
import {
  type FrazilIndex,
  INDEX_NAME,
  INDEX_TAIL_BYTES,
  type IndexedMember,
  parseIndex,
  parseIndexTail,
} from '../frazil-index.js';
import { BLOCK_BYTES, END_BYTES } from '../tar/head.js';
import { detect } from './detect.js';
import { imagesIn, isImage, openPlace } from './stage.js';

export interface StagedLazily extends AsyncDisposable {
  readonly imagesDir: string;
  /** Of the members besides images, when they were asked for. */
  readonly root: string;
  readonly pages: LazyPagesIn;
}

const PAGE_BYTES = 4096;
const LARGEST_BYTES = 64 << 20;
const PAGEMAP = /(^|\/)pagemap-(shmem-)?\d+\.img$/;

/**
 * `undefined`: it must be read to its end before. `rest`: whether what is no image is wanted, too: a container's files. Throws
 * ARCHIVE_CORRUPT, IO or ABORTED.
 */
export async function stageLazily(
  archive: Archive,
  signal: AbortSignal,
  rest: 'images' | 'rest' = 'images',
): Promise<StagedLazily | undefined> {
  await using held = new Held();
  const found = await openIndexed(archive, held, signal);
  if (found === undefined) return undefined;
  const { file, index } = found;
  const images = imagesIn(
    index.members.map(({ name }) => ({ name, kind: 'file' as const })),
    archive.name,
  );
  const members = index.members.filter(({ name }) => dirname(name) === images && isImage(name));
  const others = rest === 'images' ? [] : index.members.filter((member) => !members.includes(member));
  const small = members.filter(({ pagesId }) => pagesId === undefined);
  // A link leads to a parent, whose pages CRIU reads by itself; small images of that size are none.
  if (index.members.some(({ link }) => link !== undefined)) return undefined;
  if ([...small, ...others].some(({ bytes }) => bytes > LARGEST_BYTES)) return undefined;
  const place = await openPlace('memory', held);
  if (images !== '.') mkdirBeneath(place.root, images);
  const read = { archive, file, signal };
  const folders = new Set(others.flatMap(({ name }) => (name.includes('/') ? [dirname(name)] : [])));
  folders.delete(images);
  for (const folder of folders) mkdirBeneath(place.root, folder);
  for (const member of [...small, ...others]) await unpack(member, place.root, read);
  const places = held.use(placesOf(members, archive));
  using folder = images === '.' ? Fd.duplicate(place.root.number) : openBeneath(place.root, images, 'folder');
  const pagemaps = small.map(({ name }) => name).filter((name) => PAGEMAP.test(name));
  const names = pagemaps.map((name) => name.slice(name.lastIndexOf('/') + 1));
  const imagesDir = join(place.path, images);
  const unmarked = await unmarkedRanges(imagesDir, folder, signal);
  if (unmarked.length > 0) await mark(folder, unmarked, archive);
  await stageEager({ archive: file, places, images: folder, pagemaps: names }, { signal }).done.catch(damaged(archive));
  const kept = held.move();
  return {
    imagesDir,
    root: place.path,
    pages: { archive: file, places },
    [Symbol.asyncDispose]: () => kept[Symbol.asyncDispose](),
  };
}

interface Indexed {
  readonly file: Fd;
  readonly index: FrazilIndex;
}

async function openIndexed(archive: Archive, held: Held, signal: AbortSignal): Promise<Indexed | undefined> {
  if (archive.from.kind !== 'file' || archive.encryption || archive.signers.length > 0) return undefined;
  const file = await openRegular(archive.from.path);
  if (file === undefined) return undefined;
  held.use(file);
  const head = await readArchive(file, { at: 0, bytes: BLOCK_BYTES }, { signal }).done.catch(unreachableInside);
  if (head === undefined || detect(head.content).kind !== 'tar') return undefined;
  const tailAt = head.streamBytes - END_BYTES - INDEX_TAIL_BYTES;
  if (tailAt < 0) return undefined;
  const read = async (at: number, bytes: number): Promise<Uint8Array> =>
    (await readArchive(file, { at, bytes }, { signal }).done.catch(damaged(archive))).content;
  const tail = parseIndexTail(await read(tailAt, INDEX_TAIL_BYTES));
  if (tail === undefined || tail.bytes > LARGEST_BYTES || tail.at + tail.bytes !== tailAt + INDEX_TAIL_BYTES)
    return undefined;
  const index = parseIndex(await read(tail.at, tail.bytes), archive.name);
  for (const member of index.members) assertPlace(member, tail.at, archive);
  return { file, index };
}

/** `undefined` for what is no file, and for what is not there: who reads it from its beginning says so. */
async function openRegular(path: string): Promise<Fd | undefined> {
  const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch(() => undefined);
  if (handle === undefined) return undefined;
  try {
    return (await handle.stat()).isFile() ? Fd.duplicate(handle.fd) : undefined;
  } finally {
    await handle.close();
  }
}

// ENODATA: shorter than a block, or compressed without a seek table. EBADMSG: with a wrong one. ELIBACC: nobody can read it.
function unreachableInside(reason: unknown): undefined {
  const errno = CheckpointError.is(reason, 'IO') ? reason.detail.errno : undefined;
  if (errno === 'ENODATA' || errno === 'EBADMSG' || errno === 'ELIBACC') return undefined;
  throw reason;
}

function damaged({ name }: Archive): (reason: unknown) => never {
  return (reason) => {
    const errno = CheckpointError.is(reason, 'IO') ? reason.detail.errno : undefined;
    if (errno === 'EBADMSG') throw corrupt(name, 'it is damaged: a checksum or an image of it is wrong');
    if (errno === 'ENODATA' || errno === 'ENOENT') throw corrupt(name, 'it holds fewer pages than its images say');
    throw reason;
  };
}

function assertPlace({ name, at, bytes, pagesId }: IndexedMember, end: number, archive: Archive): void {
  const step = pagesId === undefined ? BLOCK_BYTES : PAGE_BYTES;
  if (at % step === 0 && at + bytes <= end) return;
  throw corrupt(archive.name, `the place of "${name}" is none`, INDEX_NAME);
}

interface Reading {
  readonly archive: Archive;
  readonly file: Fd;
  readonly signal: AbortSignal;
}

async function unpack({ name, at, bytes, sha256 }: IndexedMember, root: Fd, read: Reading): Promise<void> {
  const { archive, file, signal } = read;
  const { content } = await readArchive(file, { at, bytes }, { signal }).done.catch(damaged(archive));
  if (archive.digests && sha256 !== undefined && createHash('sha256').update(content).digest('hex') !== sha256)
    throw corrupt(archive.name, 'its content is not what the index says: the digest is another', name);
  using to = openBeneath(root, name, 'create');
  await writeBytes(to, content, { signal }).done;
}

async function mark(folder: Fd, ranges: readonly LazyRanges[], { name }: Archive): Promise<void> {
  const { fault } = await markPagemaps(folder, ranges).done;
  if (fault !== undefined) throw imageError('restore', name, fault);
}

function placesOf(members: readonly IndexedMember[], archive: Archive): Fd {
  const lines = members.flatMap(({ name, at, bytes, pagesId }) => {
    if (pagesId === undefined) return [];
    if (name.endsWith(`pages-${pagesId}.img`)) return [`${pagesId} ${at} ${bytes}\n`];
    throw corrupt(archive.name, `the number of "${name}" is another`, INDEX_NAME);
  });
  const file = memfd('frazil-places');
  writeSync(file.number, lines.join(''), 0);
  return file;
}
