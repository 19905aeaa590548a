// The writer of an archive (native/archive): pages come to it over a page sink, the rest by append().

import { CheckpointError } from '../errors/checkpoint-error.js';
import { attempt, isNativeFailure } from './failure.js';
import { type Job, type JobOptions, runJob } from './job.js';
import { native } from './load.js';
import type { Fd } from './native-core.js';
import type {
  ArchiveAddition,
  NativeArchiveOptions,
  NativeArchiveWriter,
  PagesMember,
  SinkCounters,
} from './native-pages.js';

export type { ArchiveAddition, NativeCompression as Compression, PagesMember } from './native-pages.js';

/** One archive. Its first failure makes it worthless; closing it lets go of the output, when no job uses it any more. */
export interface ArchiveWriter extends Disposable {
  /** For the options of a page sink. */
  readonly native: NativeArchiveWriter;
  /** Where the pages lie: after the sink has served, and before it is closed. */
  members(): readonly PagesMember[];
  /** What stands before the pages, 4096 bytes for the directory and for each of members(): before the sink settles. */
  setHeads(heads: readonly Uint8Array[]): void;
  /** Files of `directory` and whole blocks, in this order. IO: EIO for a file that is shorter than was said. */
  append(directory: Fd, additions: readonly ArchiveAddition[], options?: JobOptions): Job<void, SinkCounters>;
  /** Nothing can follow. With `sync` the file is on the disk. */
  finish(sync: boolean, options?: JobOptions): Job<void, SinkCounters>;
  /** Of the file so far. */
  bytes(): number;
  /** SHA-256 of every member so far, in the order of the stream: pages, then one for each addition without `within`. */
  digests(): readonly Uint8Array[];
}

/** Throws FEATURE_MISSING without the library of the compression, IO for an output that cannot be one. */
export function openArchiveWriter(options: NativeArchiveOptions): ArchiveWriter {
  const writer = attempt('open an archive', () => make(options));
  return {
    native: writer,
    members: () => writer.members(),
    setHeads: (heads) => attempt('write heads of members', () => writer.setHeads(heads)),
    append: (directory, additions, job = {}) =>
      runJob('write members of the archive', job, () => writer.append(directory, additions)),
    finish: (sync, job = {}) => runJob('finish the archive', job, () => writer.finish(sync)),
    bytes: () => writer.bytes(),
    digests: () => attempt('digest the members of the archive', () => writer.digests()),
    [Symbol.dispose]: () => writer.close(),
  };
}

const PACKAGES = { zstd: 'libzstd1', lz4: 'liblz4-1', gzip: 'zlib1g' } as const;

// Of those two calls the addon says ELIBACC.
const LOADING = ['dlopen', 'dlsym'];

function make(options: NativeArchiveOptions): NativeArchiveWriter {
  try {
    return new (native().ArchiveWriter)(options);
  } catch (reason) {
    const { codec } = options.compression ?? {};
    if (codec === undefined || !isNativeFailure(reason) || !LOADING.includes(reason.syscall)) throw reason;
    const message = `Cannot compress with ${codec}: its library cannot be loaded. Install ${PACKAGES[codec]}`;
    throw new CheckpointError('FEATURE_MISSING', message, { feature: codec }, { cause: reason });
  }
}
