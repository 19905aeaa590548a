// An archive as the place of a capture: docs/design/archive.md, sections 4 and 5. Small images are staged in memory as for a directory;
// there is no images directory on a disk at any time.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ArchiveWriter, openArchiveWriter } from '../addon/archive-writer.js';
import { openPageSink, type PageSink } from '../addon/page-sink.js';
import type { Archive } from '../archive/archive.js';
import { appendRest, pageHeads } from '../archive/write/compose.js';
import { compressionFor } from '../archive/write/format.js';
import { NEUTRAL, neutralMembers } from '../archive/write/neutral.js';
import { type ArchiveOutput, openOutput, streamOutput } from '../archive/write/output.js';
import { CheckpointError } from '../errors/checkpoint-error.js';
import { Held } from '../images/held.js';
import { openSmall, type Small } from '../images/small-images.js';
import { openDirectory } from '../images/staging.js';
import { chooseArchiveStore } from '../pages/store.js';
import { COPYING_THREADS } from '../pages/threads.js';
import type { CapturePlace, SinkChoice } from './capture-place.js';
import type { Located } from './locate.js';

export interface ArchivePlan {
  readonly pid: number;
  readonly to: Archive;
  readonly workDir: string;
  readonly logFile: string;
  /** The archive is on the disk before commit() has done its work. */
  readonly sync: boolean;
  /** What wrote the images, for the metadata. */
  readonly criu: Located;
}

export interface ArchivePlace extends CapturePlace {
  readonly form: 'file' | 'stream';
  /** Of the file. */
  bytes(): number;
}

/** Throws IO, FEATURE_MISSING (a compression whose library is not there) or IMAGES_EXIST. */
export async function openArchivePlace(plan: ArchivePlan): Promise<ArchivePlace> {
  await using opened = new Held();
  const output = await outputOf(plan);
  opened.defer(async () => output[Symbol.asyncDispose]());
  const compression = compressionFor(plan.to);
  const { form, fd } = output;
  const writer = opened.use(openArchiveWriter({ output: fd, form, ...(compression && { compression }) }));
  const small = opened.use(await openSmall());
  opened.defer(() => small.remove());
  const held = opened.move();
  return {
    path: output.path,
    form,
    workDir: plan.workDir,
    images: small.fd,
    cacheBytes: () => Promise.resolve(0),
    choose: (facts) => chooseArchiveStore(facts, form),
    openSink: (choice) => openSink(choice, { writer, output, small }),
    settle: (sink, signal) =>
      settle({ ...plan, writer, small, compressed: compression !== undefined }, sink, signal).catch(
        (cause: unknown) => {
          throw notWritten(output, cause);
        },
      ),
    commit: () => output.commit(),
    bytes: () => writer.bytes(),
    [Symbol.asyncDispose]: () => held[Symbol.asyncDispose](),
  };
}

function outputOf({ to: { from, name, writing }, sync }: ArchivePlan): Promise<ArchiveOutput> {
  if (from.kind === 'file') return openOutput(from.path, { replace: writing.replace ?? false, sync, tmpDir: tmpdir() });
  if (from.kind === 'fd') return streamOutput(from.fd, name, tmpdir());
  throw new TypeError('Cannot write an archive to a stream that is read');
}

interface Parts {
  readonly writer: ArchiveWriter;
  readonly output: ArchiveOutput;
  readonly small: Small;
}

async function openSink({ store, memoryBytes }: SinkChoice, { writer, output, small }: Parts): Promise<PageSink> {
  using spill = await openDirectory(output.spillDir);
  const archive = { writer: writer.native, memoryBytes, spill };
  return openPageSink({ directory: small.fd, store, archive, workers: COPYING_THREADS, firstPagesId: 1 });
}

interface Settling extends ArchivePlan {
  readonly writer: ArchiveWriter;
  readonly small: Small;
  readonly compressed: boolean;
}

async function settle(
  { pid, workDir, logFile, sync, criu, writer, small, compressed }: Settling,
  sink: PageSink,
  signal: AbortSignal,
): Promise<void> {
  const mtime = new Date();
  const pages = writer.members();
  writer.setHeads(pageHeads(pages, mtime));
  await sink.settle({ signal }).done;
  using work = await openDirectory(workDir);
  await appendRest({
    writer,
    pages,
    images: small.fd,
    work: { fd: work, path: workDir, logFile },
    profile: { name: NEUTRAL, members: neutralMembers({ pid, criu: criu.path, createdAt: mtime }) },
    compressed,
    mtime,
    signal,
  });
  await writer.finish(sync, { signal }).done;
}

// Two states of outputs that are not the machine's fault.
const REMEDIES: Readonly<Record<string, string>> = {
  EPIPE: 'Its reader has gone',
  ENOSPC: 'Free space, or choose another place',
};

// The native error knows the call, not what was written.
function notWritten({ path }: ArchiveOutput, cause: unknown): unknown {
  if (!CheckpointError.is(cause, 'IO')) return cause;
  const { errno = 'unknown', syscall = 'write' } = cause.detail;
  const remedy = REMEDIES[errno];
  const message = `Cannot write the archive "${path}": ${syscall} failed with ${errno}${remedy === undefined ? '' : `. ${remedy}`}`;
  return new CheckpointError('IO', message, { path, syscall, errno }, { cause });
}

/** A work directory for a verb that was given none. */
export async function makeWorkDir(): Promise<{ readonly path: string; remove(): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'frazil-work-'));
  return { path, remove: () => rm(path, { recursive: true, force: true }).catch(() => {}) };
}
