// An archive as the place of a capture: docs/design/archive.md, sections 4 and 5. Small images are staged in memory as for a directory;
// there is no images directory on a disk at any time.

import { tmpdir } from 'node:os';
import { type ArchiveWriter, openArchiveWriter } from '../addon/archive-writer.js';
import { openPageSink, type PageSink } from '../addon/page-sink.js';
import type { Archive } from '../archive/archive.js';
import { addedMembers, figuresOf } from '../archive/create/profile-members.js';
import type { ContainerTrees } from '../archive/tree/container-trees.js';
import { type WriteChoices, writeChoices } from '../archive/write/choices.js';
import { appendRest, pageHeads } from '../archive/write/compose.js';
import { NEUTRAL_MEMBER, neutralMembers } from '../archive/write/neutral.js';
import { type ArchiveOutput, openOutput, streamOutput } from '../archive/write/output.js';
import { openSealing, type Sealing } from '../archive/write/sealing.js';
import { CheckpointError } from '../errors/checkpoint-error.js';
import { Held } from '../images/held.js';
import { openSmall, type Small } from '../images/small-images.js';
import { openDirectory } from '../images/staging.js';
import { chooseArchiveStore } from '../pages/store.js';
import { COPYING_THREADS, WRITING_THREADS } from '../pages/threads.js';
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
  /** Of the file. */
  bytes(): number;
  /** When it is settled. */
  seal(): { readonly sha256?: string; readonly encrypted: boolean };
}

/** Throws IO, FEATURE_MISSING (a compression whose library is not there) or IMAGES_EXIST. */
export async function openArchivePlace(plan: ArchivePlan): Promise<ArchivePlace> {
  const choices = writeChoices(plan.to);
  await using opened = new Held();
  const output = await outputOf(plan);
  opened.defer(async () => output[Symbol.asyncDispose]());
  const sealing = await openSealing(output, choices.lock);
  opened.defer(async () => sealing[Symbol.asyncDispose]());
  const { compression, digests } = choices;
  const writer = opened.use(
    openArchiveWriter({ output: sealing.fd, form: sealing.form, digests, ...(compression && { compression }) }),
  );
  const small = opened.use(await openSmall());
  opened.defer(() => small.remove());
  const held = opened.move();
  const parts = { plan, choices, sealing, writer, small, output };
  let sha256: string | undefined;
  return {
    path: output.path,
    workDir: plan.workDir,
    images: small.fd,
    // Digests are made in the order of the stream, too.
    choose: (facts) => chooseArchiveStore(facts, digests ? 'stream' : sealing.form),
    openSink: (choice) => openSink(choice, parts),
    settle: async (sink, signal) => {
      const whole = await settle(parts, sink, signal).catch(async (cause: unknown) => {
        throw notWritten(output, await sealing.explain(cause));
      });
      if (digests) sha256 = whole;
    },
    commit: () => output.commit(),
    bytes: () => sealing.bytes() ?? writer.bytes(),
    seal: () => ({ encrypted: choices.lock !== undefined, ...(sha256 === undefined ? {} : { sha256 }) }),
    [Symbol.asyncDispose]: () => held[Symbol.asyncDispose](),
  };
}

function outputOf({ to: { from, name, writing }, sync }: ArchivePlan): Promise<ArchiveOutput> {
  if (from.kind === 'file') return openOutput(from.path, { replace: writing.replace ?? false, sync, tmpDir: tmpdir() });
  if (from.kind === 'fd') return streamOutput(from.fd, name, tmpdir());
  throw new TypeError('Cannot write an archive to a stream that is read');
}

interface Parts {
  readonly plan: ArchivePlan;
  readonly choices: WriteChoices;
  readonly sealing: Sealing;
  readonly writer: ArchiveWriter;
  readonly output: ArchiveOutput;
  readonly small: Small;
}

async function openSink({ store, memoryBytes }: SinkChoice, parts: Parts): Promise<PageSink> {
  const { choices, writer, output, small } = parts;
  using spill = await openDirectory(output.spillDir);
  const archive = { writer: writer.native, memoryBytes, spill };
  const plain = store === 'directory' && choices.compression === undefined;
  const workers = plain ? WRITING_THREADS : COPYING_THREADS;
  return openPageSink({ directory: small.fd, store, archive, workers, firstPagesId: 1 });
}

async function settle(
  { plan, choices, sealing, writer, small }: Parts,
  sink: PageSink,
  signal: AbortSignal,
): Promise<string> {
  const { pid, workDir, logFile, sync, criu } = plan;
  const { profile, additions, compression, digests, signer } = choices;
  const mtime = new Date();
  const pages = writer.members();
  writer.setHeads(pageHeads(pages, mtime));
  await sink.settle({ signal }).done;
  using work = await openDirectory(workDir);
  await using trees = await treesOf(choices);
  const own = profile === 'neutral' && !additions.some(({ name }) => name === NEUTRAL_MEMBER);
  const sha256 = await appendRest({
    writer,
    pages,
    images: small.fd,
    work: { fd: work, path: workDir, logFile },
    figures: figuresOf(profile),
    members: [
      ...(own ? neutralMembers({ pid, criu: criu.path, createdAt: mtime }) : []),
      ...(await addedMembers(choices)),
      ...(trees?.members ?? []),
    ],
    profile,
    compressed: compression !== undefined,
    digests,
    signer,
    mtime,
    signal,
  });
  await writer.finish(sync && sealing.form === 'file', { signal }).done;
  await sealing.finish(sync);
  return sha256;
}

// Loaded when there is something to walk.
async function treesOf(choices: WriteChoices): Promise<ContainerTrees | undefined> {
  const { rootfs, shm, volumes } = choices.trees;
  if (rootfs === undefined && shm === undefined && volumes.length === 0) return undefined;
  const { containerTrees } = await import('../archive/tree/container-trees.js');
  return containerTrees(choices);
}

// Two states of outputs that are not the machine's fault.
const REMEDIES: Readonly<Record<string, string>> = {
  EPIPE: 'Its reader has gone',
  ENOSPC: 'Free space, or choose another place',
};

// The native error knows the call, not what was written.
function notWritten({ path }: ArchiveOutput, cause: unknown): unknown {
  if (!CheckpointError.is(cause, 'IO') || cause.detail.path !== undefined) return cause;
  const { errno = 'unknown', syscall = 'write' } = cause.detail;
  const remedy = REMEDIES[errno];
  const message = `Cannot write the archive "${path}": ${syscall} failed with ${errno}${remedy === undefined ? '' : `. ${remedy}`}`;
  return new CheckpointError('IO', message, { path, syscall, errno }, { cause });
}
