// An archive of an existing images directory and what belongs to it: sizes are known, so it is written front to back, in any form, and each
// file is read once. Without digests, compression and encryption no content enters our memory: the kernel copies, or shares the blocks.

import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import type { Compression } from '../../addon/archive-writer.js';
import { Fd } from '../../addon/fd.js';
import type { Work } from '../../criu/operation.js';
import { CheckpointError } from '../../errors/checkpoint-error.js';
import type { AgeLock } from '../age/header.js';
import { INDEX_NAME, type IndexedMember, renderIndex, type Signer, sealIn } from '../frazil-index.js';
import type { ProfileName } from '../profiles.js';
import { END_BYTES, headOf, paddingOf } from '../tar/head.js';
import type { ArchiveOutput } from '../write/output.js';
import { type Layout, layOut, type Placed } from './layout.js';
import { type Member, OPEN_FLAGS } from './members.js';
import { openSink, type TarSink } from './sink.js';
import { writeTree } from './tree-content.js';

export interface CreateRequest {
  readonly output: ArchiveOutput;
  readonly profile: ProfileName;
  readonly members: readonly Member[];
  readonly index: boolean;
  /** The content of every member is digested on its way. */
  readonly digests: boolean;
  readonly compression: Compression | undefined;
  readonly lock: AgeLock | undefined;
  readonly signer: Signer | undefined;
  readonly sync: boolean;
  readonly now: Date;
}

export interface CreateProgress {
  readonly phase: 'writing';
  /** Of the uncompressed stream. */
  readonly bytes: number;
  readonly totalBytes: number;
}

export interface CreateReport {
  readonly path: string;
  readonly profile: ProfileName;
  readonly members: number;
  /** Of the uncompressed stream. */
  readonly bytes: number;
  /** Of the file, when it is one. */
  readonly fileBytes?: number;
  /** Bytes of contents that the kernel did not move by itself. */
  readonly bytesUser: number;
  /** Of the whole, in hex, when there is an index. */
  readonly sha256?: string;
  readonly wallMs: number;
}

/** What frames hold at most: native/archive/frame_pool.h. */
const FRAME_BYTES = 256 * 1024;

/** Rejects with IO, IMAGES_CORRUPT, FEATURE_MISSING or ABORTED; then a file has not got its name. */
export async function runCreate(request: CreateRequest, work: Work<CreateProgress>): Promise<CreateReport> {
  const begun = performance.now();
  const { output, members, compression, lock, now } = request;
  const layout = layOut(members, now);
  await using sink = await openSink({
    output: output.fd,
    form: output.form,
    compression,
    cuts: layout.cuts,
    lock,
    signal: work.signal,
  });
  try {
    const written = await writeAll(request, layout, sink, work);
    await sink.finish();
    const fileBytes = await conclude(request);
    const { path } = output;
    const report = { path, profile: request.profile, members: members.length, ...written, bytesUser: sink.bytesUser };
    return { ...report, ...(fileBytes === undefined ? {} : { fileBytes }), wallMs: performance.now() - begun };
  } catch (reason) {
    throw await sink.explain(reason);
  }
}

async function writeAll(
  request: CreateRequest,
  layout: Layout,
  sink: TarSink,
  work: Work<CreateProgress>,
): Promise<{ readonly bytes: number; readonly sha256?: string }> {
  const indexed: IndexedMember[] = [];
  // Padding waits for the head behind it.
  let pending: Buffer = Buffer.alloc(0);
  for (const placed of layout.placed) {
    await sink.write(Buffer.concat([pending, placed.head]));
    const sha256 = await writeContent(placed, request, sink);
    pending = Buffer.alloc(paddingOf(placed.bytes));
    if (placed.member.kind !== 'directory') indexed.push(lineOf(placed, sha256));
    work.emit({ phase: 'writing', bytes: placed.at + placed.bytes, totalBytes: layout.bytes });
  }
  if (!request.index) {
    await sink.write(Buffer.concat([pending, Buffer.alloc(END_BYTES)]));
    return { bytes: layout.bytes };
  }
  const { content, at, sha256 } = indexMember(request, indexed, layout.bytes);
  await sink.write(Buffer.concat([pending, content, Buffer.alloc(END_BYTES)]));
  return { bytes: at, sha256 };
}

function lineOf({ member, at, bytes, pagesId }: Placed, sha256: string | undefined): IndexedMember {
  return {
    name: member.name,
    at,
    bytes,
    ...(pagesId === undefined ? {} : { pagesId }),
    ...(sha256 === undefined ? {} : { sha256 }),
    ...(member.kind === 'link' ? { link: member.target } : {}),
  };
}

async function writeContent(
  { member, bytes }: Placed,
  { digests }: CreateRequest,
  sink: TarSink,
): Promise<string | undefined> {
  const hex = (digest: Uint8Array | undefined): string | undefined => digest && Buffer.from(digest).toString('hex');
  if (member.kind === 'bytes') {
    await sink.write(member.content);
    return createHash('sha256').update(member.content).digest('hex');
  }
  if (member.kind === 'tree') return hex(await writeTree(member, digests, sink));
  if (member.kind !== 'file') return undefined;
  const file = await open(member.path, OPEN_FLAGS).catch((cause: NodeJS.ErrnoException) => {
    throw unreadable(member.path, cause.code ?? 'unknown', cause);
  });
  try {
    if (!(await file.stat()).isFile()) throw unreadable(member.path, 'it is no regular file any more');
    using from = Fd.duplicate(file.fd);
    const digest = await sink.copy(from, bytes, digests).catch((cause: unknown) => {
      throw cause instanceof RangeError ? unreadable(member.path, cause.message, cause) : cause;
    });
    return hex(digest);
  } finally {
    await file.close();
  }
}

function indexMember(
  { profile, compression, signer, now }: CreateRequest,
  members: readonly IndexedMember[],
  from: number,
): { readonly content: Buffer; readonly at: number; readonly sha256: string } {
  const frames = compression === undefined ? {} : { frameBytes: FRAME_BYTES };
  const head = (bytes: number): Buffer => headOf({ name: INDEX_NAME, kind: 'file', bytes, mtime: now });
  const at = from + head(0).length;
  const content = renderIndex({ profile, ...frames, members }, at, signer);
  const whole = Buffer.concat([head(content.length), content, Buffer.alloc(paddingOf(content.length))]);
  return { content: whole, at: from + whole.length, sha256: sealIn(content) };
}

// By the handle: the fd of a file without a name has one in /proc.
async function conclude({ output, sync }: CreateRequest): Promise<number | undefined> {
  if (output.form !== 'file') {
    await output.commit();
    return undefined;
  }
  const file = await open(`/proc/self/fd/${output.fd.number}`, 'r+');
  try {
    if (sync) await file.sync();
    await output.commit();
    return (await file.stat()).size;
  } finally {
    await file.close();
  }
}

function unreadable(path: string, why: string, cause?: unknown): CheckpointError<'IO'> {
  return new CheckpointError('IO', `Cannot archive "${path}": ${why}`, { path }, { cause });
}
