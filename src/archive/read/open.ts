// From a file or a Node stream to the uncompressed stream of an archive: layer by layer, each told by its first bytes and taken off by a job
// of its own that writes into a pipe:
//
//   file ── un-age ──▶ pipe ── un-zstd ──▶ pipe ── headers to TypeScript, contents to files
//
// At most one encryption, then at most one compression. A job that fails closes its pipe, so the reader sees an end that comes too early:
// what the job has said about it is the better message (`failure`).

import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Fd } from '../../addon/fd.js';
import { pipe } from '../../addon/files.js';
import { filterStream, readBytes } from '../../addon/streams.js';
import { CheckpointError } from '../../errors/checkpoint-error.js';
import { Held } from '../../images/held.js';
import { LARGEST_AGE_HEADER_BYTES, openHeader } from '../age/header.js';
import type { Archive } from '../archive.js';
import { corrupt } from '../errors.js';
import { BLOCK_BYTES } from '../tar/head.js';
import { detect } from './detect.js';
import { type ArchiveStream, fileStream, pipeStream } from './stream.js';

export type Compression = 'none' | 'zstd' | 'lz4' | 'gzip';

export interface OpenArchive extends AsyncDisposable {
  readonly stream: ArchiveStream;
  readonly encrypted: boolean;
  readonly compression: Compression;
  /** Of the file as it lies there; absent for a stream. */
  readonly fileBytes?: number;
  /** Whether contents lie in the file as they are, at their offset in the stream. */
  readonly plain: boolean;
  /** Rejects when a layer is damaged; resolves when all of them have ended well. Only after the stream has ended. */
  ended(): Promise<void>;
  /** `reason`, or what a layer has said that explains it. */
  explain(reason: unknown): Promise<unknown>;
}

const PIPE_BYTES = 1 << 20;

/** Throws ARCHIVE_CORRUPT, ARCHIVE_LOCKED, ARCHIVE_UNTRUSTED, FEATURE_MISSING, IO or ABORTED. */
export async function openArchive(archive: Archive, signal: AbortSignal): Promise<OpenArchive> {
  await using held = new Held();
  const layers = new Layers(archive, held, signal);
  const file = archive.from.kind === 'file' ? await openFile(archive.from.path) : undefined;
  const fileBytes = file === undefined ? undefined : await sizeOf(file);
  const raw = held.use(layers.raw(archive.from, file));
  // The copying jobs have duplicates; the stream of a plain file closes the handle itself.
  try {
    const peeled = await layers.peel(raw);
    const plain = file !== undefined && fileBytes !== undefined && peeled.from === raw;
    const stream = plain ? fileStream(file, fileBytes, signal) : pipeStream(peeled.from, peeled.first, signal);
    if (!plain) await file?.close();
    const kept = held.move();
    kept.defer(async () => {
      await stream[Symbol.asyncDispose]();
    });
    return {
      stream,
      encrypted: layers.encrypted,
      compression: layers.compression,
      ...(fileBytes === undefined ? {} : { fileBytes }),
      plain,
      ended: () => layers.ended(),
      explain: (reason) => layers.explain(reason),
      [Symbol.asyncDispose]: () => kept[Symbol.asyncDispose](),
    };
  } catch (reason) {
    await file?.close();
    throw await layers.explain(reason);
  }
}

class Layers {
  readonly #archive: Archive;
  readonly #held: Held;
  readonly #signal: AbortSignal;
  readonly #jobs: Promise<unknown>[] = [];
  encrypted = false;
  compression: Compression = 'none';

  constructor(archive: Archive, held: Held, signal: AbortSignal) {
    this.#archive = archive;
    this.#held = held;
    this.#signal = signal;
  }

  /** The file, the fd, or a pipe out of which comes what comes out of the Node stream. */
  raw(from: Archive['from'], file: FileHandle | undefined): Fd {
    if (from.kind !== 'stream') return Fd.duplicate(from.kind === 'fd' ? from.fd : (file?.fd ?? -1));
    const { stream } = from;
    const { read, write } = pipe({ capacityBytes: PIPE_BYTES });
    this.#watch(pour(stream, write, this.#signal));
    this.#held.defer(() => {
      stream.destroy();
    });
    return read;
  }

  async peel(raw: Fd): Promise<{ readonly from: Fd; readonly first: Buffer }> {
    let from = raw;
    let first = await this.#read(from, BLOCK_BYTES);
    if (detect(first).kind === 'age') {
      from = await this.#decrypt(from, first);
      first = await this.#read(from, BLOCK_BYTES);
    } else if (this.#archive.encryption) throw this.#notEncrypted();
    const layer = detect(first);
    if (layer.kind === 'zstd' || layer.kind === 'lz4' || layer.kind === 'gzip') {
      this.compression = layer.kind;
      from = this.#filter(from, { kind: `un-${layer.kind}`, prefix: first });
      first = await this.#read(from, BLOCK_BYTES);
    }
    const inner = detect(first);
    if (inner.kind === 'tar') return { from, first };
    throw this.#noTar(inner.kind === 'other' ? inner.what : undefined, first.length);
  }

  async ended(): Promise<void> {
    try {
      await Promise.all(this.#jobs);
    } catch (reason) {
      throw this.#translate(reason);
    }
  }

  async explain(reason: unknown): Promise<unknown> {
    if (this.#signal.aborted) return reason;
    // Those whose reader has gone fail for that alone.
    const ends = await Promise.all(
      this.#jobs.map((job) => Promise.race([job.then(nothing, (why: unknown) => why), soon()])),
    );
    const told = ends.find((end) => end !== undefined && !isBrokenPipe(end));
    return told === undefined ? reason : this.#translate(told);
  }

  async #decrypt(from: Fd, first: Buffer): Promise<Fd> {
    let bytes = first;
    for (;;) {
      const found = await openHeader(bytes, this.#archive);
      if (found.kind === 'opened') {
        this.encrypted = true;
        return this.#filter(from, { kind: 'un-age', prefix: bytes.subarray(found.bytes), key: found.key });
      }
      if (found.kind === 'locked') throw this.#locked(found.passphrase);
      if (found.kind === 'damaged') throw corrupt(this.#archive.name, `its encryption header is damaged: ${found.why}`);
      const more = await this.#read(from, BLOCK_BYTES);
      if (more.length === 0 || bytes.length > LARGEST_AGE_HEADER_BYTES)
        throw corrupt(this.#archive.name, 'its encryption header is cut short');
      bytes = Buffer.concat([bytes, more]);
    }
  }

  #filter(from: Fd, how: Pick<Parameters<typeof filterStream>[1], 'kind' | 'prefix' | 'key'>): Fd {
    const { read, write } = pipe({ capacityBytes: PIPE_BYTES });
    const job = filterStream(
      `read the archive "${this.#archive.name}" (${how.kind})`,
      { ...how, from, to: write },
      { signal: this.#signal },
    );
    this.#held.defer(async () => {
      await job[Symbol.asyncDispose]();
    });
    this.#watch(job.done);
    return this.#held.use(read);
  }

  #watch(job: Promise<unknown>): void {
    job.catch(() => {});
    this.#jobs.push(job);
  }

  async #read(from: Fd, bytes: number): Promise<Buffer> {
    return Buffer.from(await readBytes(from, bytes, { signal: this.#signal }).done);
  }

  #translate(reason: unknown): unknown {
    if (!CheckpointError.is(reason, 'IO')) return reason;
    const { errno } = reason.detail;
    if (errno === 'EBADMSG') return corrupt(this.#archive.name, 'it is damaged: a checksum or tag of it is wrong');
    if (errno === 'ENODATA') return corrupt(this.#archive.name, 'it is cut short');
    if (errno !== 'ELIBACC') return reason;
    const library = { zstd: 'libzstd.so.1', lz4: 'liblz4.so.1', gzip: 'libz.so.1', none: 'OpenSSL' }[this.compression];
    const message = `Cannot read the archive "${this.#archive.name}": it is compressed with ${this.compression}, and ${library} is not on this machine. Install it`;
    return new CheckpointError('FEATURE_MISSING', message, { feature: library }, { cause: reason });
  }

  #locked(passphrase: boolean): CheckpointError<'ARCHIVE_LOCKED'> {
    const { name, identities } = this.#archive;
    const given = this.#archive.passphrase !== undefined || identities.length > 0;
    const need = passphrase ? 'the passphrase' : 'an identity of one of its recipients';
    const why = given ? `it is encrypted, and ${need} was not among the keys given` : `it is encrypted. Pass ${need}`;
    return new CheckpointError('ARCHIVE_LOCKED', `Cannot read the archive "${name}": ${why}`, { archive: name });
  }

  #notEncrypted(): CheckpointError<'ARCHIVE_UNTRUSTED'> {
    const { name } = this.#archive;
    const message = `Cannot use the archive "${name}": encryption was demanded, and it is not encrypted`;
    return new CheckpointError('ARCHIVE_UNTRUSTED', message, { archive: name, demanded: 'encryption' });
  }

  #noTar(what: string | undefined, bytes: number): CheckpointError {
    const { name } = this.#archive;
    if (bytes === 0) return corrupt(name, 'it is empty');
    if (what === undefined) return corrupt(name, 'it is no tar file, nor one compressed with zstd, lz4 or gzip');
    const message = `Cannot read the archive "${name}": it is ${what}, which Frazil does not read. Convert it first`;
    return new CheckpointError('FEATURE_MISSING', message, { feature: what });
  }
}

async function pour(stream: Readable, write: Fd, signal: AbortSignal): Promise<void> {
  const socket = new Socket({ fd: write.take(), readable: false, writable: true });
  await pipeline(stream, socket, { signal });
}

async function openFile(path: string): Promise<FileHandle> {
  // Not blocked by a named pipe without a writer, which is refused below.
  return open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch((cause: NodeJS.ErrnoException) => {
    const errno = cause.code ?? 'unknown';
    throw new CheckpointError(
      'IO',
      `Cannot open the archive "${path}": ${errno}`,
      { path, errno, syscall: 'open' },
      { cause },
    );
  });
}

/** `undefined` for a pipe, such as /dev/stdin. */
async function sizeOf(file: FileHandle): Promise<number | undefined> {
  const status = await file.stat();
  return status.isFile() ? status.size : undefined;
}

function nothing(): undefined {
  return undefined;
}

function isBrokenPipe(reason: unknown): boolean {
  return CheckpointError.is(reason, 'IO') && reason.detail.errno === 'EPIPE';
}

// A job that fails has closed its pipe a moment before its promise settles.
const SOON_MS = 100;
function soon(): Promise<undefined> {
  return new Promise((resolve) => {
    setTimeout(resolve, SOON_MS, undefined).unref();
  });
}
