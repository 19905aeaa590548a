// Where the stream of an archive goes: straight into a file or pipe, or through jobs that compress and encrypt it, joined by pipes:
//
//   heads and contents ──▶ pipe ── pack ──▶ pipe ── age ──▶ file without a name
//
// A job that fails closes its pipe, and the writer in front of it hears EPIPE: what the job says is the better reason.

import type { Compression } from '../../addon/archive-writer.js';
import { Fd } from '../../addon/fd.js';
import { pipe } from '../../addon/files.js';
import { copyBytes, filterStream, packStream, writeBytes } from '../../addon/streams.js';
import { CheckpointError } from '../../errors/checkpoint-error.js';
import { Held } from '../../images/held.js';
import { type AgeLock, sealHeader } from '../age/header.js';

export interface TarSink extends AsyncDisposable {
  /** Bytes that JavaScript has made. */
  write(bytes: Uint8Array): Promise<void>;
  /** A whole file of so many bytes. Gives its digest when that is asked for. */
  copy(from: Fd, bytes: number, sha256: boolean): Promise<Uint8Array | undefined>;
  /** What comes out of a pipe: so many bytes. Gives its digest when that is asked for. */
  relay(from: Fd, bytes: number, sha256: boolean): Promise<Uint8Array | undefined>;
  /** Nothing more comes: resolves when everything is in the output. */
  finish(): Promise<void>;
  /** `reason`, or what a job has said that explains it. */
  explain(reason: unknown): Promise<unknown>;
  /** Bytes of contents that entered our memory. */
  readonly bytesUser: number;
}

export interface SinkRequest {
  /** Borrowed. */
  readonly output: Fd;
  readonly form: 'file' | 'stream';
  readonly compression: Compression | undefined;
  readonly cuts: readonly number[];
  readonly lock: AgeLock | undefined;
  readonly signal: AbortSignal;
}

const PIPE_BYTES = 1 << 20;

export async function openSink(request: SinkRequest): Promise<TarSink> {
  const { output, form, compression, cuts, lock, signal } = request;
  await using held = new Held();
  const jobs: Promise<unknown>[] = [];
  const through = (start: (from: Fd) => AsyncDisposable & { readonly done: Promise<unknown> }): Fd => {
    const { read, write } = pipe({ capacityBytes: PIPE_BYTES });
    held.use(read);
    const job = start(read);
    // The job has a duplicate of its own; ours must go, or the pipe never ends.
    read.close();
    held.defer(async () => {
      await job[Symbol.asyncDispose]();
    });
    job.done.catch(() => {});
    jobs.unshift(job.done);
    return held.use(write);
  };
  let top = held.use(Fd.duplicate(output.number));
  if (lock !== undefined) {
    const { header, key } = await sealHeader(lock);
    await writeBytes(top, header, { signal }).done;
    const to = top;
    top = through((from) => filterStream('encrypt the archive', { kind: 'age', from, to, key }, { signal }));
  }
  if (compression !== undefined) {
    const to = top;
    const whole = lock === undefined ? form : 'stream';
    top = through((from) => packStream({ ...compression, from, to, form: whole, cuts }, { signal }));
  }
  const kept = held.move();
  return sinkOver(top, jobs, kept, signal);
}

interface Place {
  readonly bytes: number;
  readonly fromOffset?: number;
}

function sinkOver(top: Fd, jobs: readonly Promise<unknown>[], held: Held, signal: AbortSignal): TarSink {
  let bytesUser = 0;
  const move = async (from: Fd, place: Place, sha256: boolean): Promise<Uint8Array | undefined> => {
    const job = copyBytes('write the archive', { ...place, from, to: top, sha256 }, { signal });
    const copied = await job.done;
    bytesUser += job.snapshot().bytesUser;
    if (copied.bytes < place.bytes) throw new RangeError('it has become shorter while it was read');
    return copied.sha256;
  };
  return {
    async write(bytes) {
      if (bytes.length > 0) await writeBytes(top, bytes, { signal }).done;
    },
    copy: (from, bytes, sha256) => move(from, { fromOffset: 0, bytes }, sha256),
    relay: (from, bytes, sha256) => move(from, { bytes }, sha256),
    async finish() {
      top.close();
      // In the order of the stream: the first to fail is why.
      for (const job of jobs) await job;
    },
    async explain(reason) {
      if (!isBrokenPipe(reason)) return reason;
      top.close();
      const told = await Promise.all(jobs.map((job) => job.then(nothing, (why: unknown) => why)));
      return told.find((why) => why !== undefined && !isBrokenPipe(why)) ?? reason;
    },
    get bytesUser() {
      return bytesUser;
    },
    [Symbol.asyncDispose]: () => held[Symbol.asyncDispose](),
  };
}

function isBrokenPipe(reason: unknown): boolean {
  return CheckpointError.is(reason, 'IO') && reason.detail.errno === 'EPIPE';
}

function nothing(): undefined {
  return undefined;
}
