// The uncompressed stream of an archive, in two forms: a file whose bytes lie where the stream has them, and the read end of a pipe.

import type { FileHandle } from 'node:fs/promises';
import { Fd } from '../../addon/fd.js';
import { type CopiedBytes, copyBytes, readBytes } from '../../addon/streams.js';
import { assertNotAborted } from '../../errors/aborted.js';
import type { TarStream } from '../tar/entries.js';

export interface CopyOptions {
  /** Absent: the bytes are only looked at. */
  readonly to?: Fd;
  readonly sha256?: boolean;
  /** Zeros become holes of `to`. */
  readonly holes?: boolean;
}

/** Rejects with IO, ABORTED, and what the filters in front of it say. */
export interface ArchiveStream extends TarStream, AsyncDisposable {
  /** The next `bytes`: fewer only at the end. They do not enter JavaScript. */
  copy(bytes: number, options: CopyOptions): Promise<CopiedBytes>;
  /** Bytes from elsewhere, which only a file has; the position stays. */
  peek(at: number, bytes: number): Promise<Buffer>;
}

/** `file` is read by position, and closed with the stream. */
export function fileStream(file: FileHandle, size: number, signal: AbortSignal): ArchiveStream {
  let position = 0;
  const advance = (bytes: number): number => {
    const there = Math.min(bytes, size - position);
    position += there;
    return there;
  };
  const peek = async (at: number, bytes: number): Promise<Buffer> => {
    assertNotAborted('read the archive', signal);
    const there = Math.min(bytes, Math.max(0, size - at));
    if (there === 0) return Buffer.alloc(0);
    const { bytesRead, buffer } = await file.read(Buffer.alloc(there), 0, null, at);
    return buffer.subarray(0, bytesRead);
  };
  return {
    get position() {
      return position;
    },
    peek,
    async read(bytes) {
      const found = await peek(position, bytes);
      position += found.length;
      return found;
    },
    skip: async (bytes) => advance(bytes),
    async copy(bytes, options) {
      using from = Fd.duplicate(file.fd);
      const copied = await copyBytes('read the archive', { from, fromOffset: position, bytes, ...options }, { signal })
        .done;
      position += copied.bytes;
      return copied;
    },
    [Symbol.asyncDispose]: () => file.close(),
  };
}

/** `prefix` was read from `from` already; `from` is closed with the stream. */
export function pipeStream(from: Fd, prefix: Buffer, signal: AbortSignal): ArchiveStream {
  let position = 0;
  let ahead = prefix;
  const take = (bytes: number): Buffer => {
    const taken = ahead.subarray(0, bytes);
    ahead = ahead.subarray(taken.length);
    return taken;
  };
  const copy = async (bytes: number, options: CopyOptions): Promise<CopiedBytes> => {
    // The prefix is one block, which is the first header: a content never begins in it.
    if (ahead.length > 0) throw new RangeError('Cannot copy what was read ahead');
    if (bytes === 0 && options.sha256 !== true) return { bytes: 0 };
    const copied = await copyBytes('read the archive', { from, bytes, ...options }, { signal }).done;
    position += copied.bytes;
    return copied;
  };
  return {
    get position() {
      return position;
    },
    async read(bytes) {
      const first = take(bytes);
      const rest =
        bytes > first.length ? await readBytes(from, bytes - first.length, { signal }).done : Buffer.alloc(0);
      position += first.length + rest.length;
      return Buffer.concat([first, rest]);
    },
    skip: async (bytes) => (await copy(bytes, {})).bytes,
    copy,
    peek: async () => Buffer.alloc(0),
    [Symbol.asyncDispose]: async () => from.close(),
  };
}
