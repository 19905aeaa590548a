// The last part of an archive's way: straight into its output, or through age. What age seals cannot be patched, so an encrypted file is
// written as a stream; the job that seals it has a pipe, and the writer in front of it hears EPIPE when it fails.

import { type FileHandle, open } from 'node:fs/promises';
import { Fd } from '../../addon/fd.js';
import { pipe } from '../../addon/files.js';
import { filterStream, writeBytes } from '../../addon/streams.js';
import { CheckpointError } from '../../errors/checkpoint-error.js';
import type { AgeLock } from '../age/header.js';
import type { ArchiveOutput } from './output.js';

export interface Sealing extends AsyncDisposable {
  /** For the writer, which duplicates it. */
  readonly fd: Fd;
  readonly form: 'file' | 'stream';
  /** The writer has written all. Rejects with IO. */
  finish(sync: boolean): Promise<void>;
  /** `reason`, or what the sealing has said that explains it. */
  explain(reason: unknown): Promise<unknown>;
  /** Of a sealed file, when it is finished. */
  bytes(): number | undefined;
}

const PIPE_BYTES = 1 << 20;

/** `output` stays the caller's. Throws IO, FEATURE_MISSING. */
export async function openSealing(output: ArchiveOutput, lock: AgeLock | undefined): Promise<Sealing> {
  if (lock === undefined) return straight(output);
  const { sealHeader } = await import('../age/header.js');
  const { header, key } = await sealHeader(lock);
  await writeBytes(output.fd, header).done;
  const { read, write } = pipe({ capacityBytes: PIPE_BYTES });
  using from = read;
  const job = filterStream('encrypt the archive', { kind: 'age', from, to: Fd.duplicate(output.fd.number), key });
  const done = job.done.then(
    () => undefined,
    (reason: unknown) => ({ reason }),
  );
  let bytes: number | undefined;
  return {
    fd: write,
    form: 'stream',
    async finish(sync) {
      // The writer has a duplicate of its own, which has gone with its last job.
      write.close();
      const failure = await done;
      if (failure !== undefined) throw failure.reason;
      if (output.form === 'file') bytes = await sizeOf(output.fd, sync);
    },
    async explain(reason) {
      if (!CheckpointError.is(reason, 'IO') || reason.detail.errno !== 'EPIPE') return reason;
      write.close();
      const failure = await done;
      return failure?.reason ?? reason;
    },
    bytes: () => bytes,
    [Symbol.asyncDispose]: async () => {
      write.close();
      await job[Symbol.asyncDispose]();
    },
  };
}

function straight({ fd, form }: ArchiveOutput): Sealing {
  return {
    fd,
    form,
    finish: async () => {},
    explain: async (reason) => reason,
    bytes: () => undefined,
    [Symbol.asyncDispose]: async () => {},
  };
}

// By the handle: the fd of a file without a name has one in /proc.
async function sizeOf(fd: Fd, sync: boolean): Promise<number> {
  const file: FileHandle = await open(`/proc/self/fd/${fd.number}`, 'r+');
  try {
    if (sync) await file.sync();
    return (await file.stat()).size;
  } finally {
    await file.close();
  }
}
