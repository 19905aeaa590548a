// The addon's page plane: sinks, archives in one pass, and the two ends of a migration's page streams.

import type { Fd, NativeJob } from './native-core.js';

/** What a sink has done so far; exact once its job has ended. `...Pages` are pages of 4096 bytes. */
export interface SinkCounters {
  /** Page bytes taken from CRIU. */
  readonly bytesIn: number;
  /** Page bytes written to the images directory. */
  readonly bytesOut: number;
  /** Page bytes that went over memory. */
  readonly bytesAbsorbed: number;
  /** Of those for which there was no memory, and which went over a disk. */
  readonly bytesSpilled: number;
  /** Page bytes that this process looked at. */
  readonly bytesUser: number;
  /** Memory made ready before the freeze. */
  readonly bytesPrepared: number;
  readonly runs: number;
  /** Tasks and shared memory objects. */
  readonly images: number;
  /** Left out because the parent has them. */
  readonly parentPages: number;
  readonly zeroPages: number;
  /** Zero pages that are holes in the file. */
  readonly sparsePages: number;
  /** Freed in ancestors. */
  readonly deduplicatedPages: number;
  /** Of the sink's own threads. */
  readonly cpuNs: number;
  /** How long the receiver waited for the copying threads. */
  readonly stallNs: number;
}

/** Why a reception ended before CLOSE; native/page/receiver.h says what each means. */
export type SinkFault =
  | 'system'
  | 'cancelled'
  | 'hung-up'
  | 'bad-header'
  | 'unknown-command'
  | 'unknown-image'
  | 'no-image'
  | 'not-sorted'
  | 'hole-without-parent'
  | 'hole-not-in-parent'
  | 'bad-parent';

export interface SinkFailure {
  readonly fault: SinkFault;
  readonly errno: number;
  readonly syscall: string;
  readonly image: 'task' | 'shmem';
  /** The pid in its own namespace, or the id of the shared memory object. */
  readonly id: number;
  readonly vaddr: bigint;
  readonly pages: number;
}

export interface SinkReception {
  /** 24 up to CRIU 4.1, 32 from 4.2; absent when nothing came. */
  readonly headerBytes?: 24 | 32;
  readonly failure?: SinkFailure;
}

export interface NativePageSinkOptions {
  /** Gets pages-N.img and pagemap-*.img. */
  readonly directory: Fd;
  /** The images directory below it. */
  readonly parent?: Fd;
  /** `directory`: straight to where they belong. */
  readonly store: 'memory' | 'directory';
  /** Where they belong, instead of `directory`, which then gets the pagemaps only. */
  readonly archive?: {
    readonly writer: NativeArchiveWriter;
    /** With `memory`: what is more than so many bytes goes into a nameless file in the directory `spill`. */
    readonly memoryBytes: number;
    readonly spill?: Fd;
  };
  /** Copying threads, 1 to 64. */
  readonly workers: number;
  /** N of the first pages-N.img. */
  readonly firstPagesId: number;
}

export interface NativeCompression {
  readonly codec: 'zstd' | 'lz4' | 'gzip';
  readonly level: number;
  /** Compressing threads, 1 to 64. */
  readonly threads: number;
}

export interface NativeArchiveOptions {
  /** Duplicated. */
  readonly output: Fd;
  /** `file`: a regular file of ours alone; `stream`: what takes bytes only in order. */
  readonly form: 'file' | 'stream';
  /** Every member is digested; pages then only go over memory or a spill. */
  readonly digests?: boolean;
  readonly compression?: NativeCompression;
}

/** Where the pages of an image lie in the stream. */
export interface PagesMember {
  readonly pagesId: number;
  readonly at: number;
  readonly bytes: number;
}

/** `head` as it is, then `bytes` of the file `name`, then zeros up to a block; without a name `head` alone, which is whole blocks. */
export interface ArchiveAddition {
  readonly head: Uint8Array;
  readonly name?: string;
  readonly bytes?: number;
  /** Of the content of the member that the last one without this has begun. */
  readonly within?: boolean;
}

/** setHeads (before the sink settles), append, finish: in this order, one at a time (docs/design/archive.md). */
export interface NativeArchiveWriter {
  /** After the sink has served, before it is closed. */
  members(): PagesMember[];
  /** Of the directory, then of each of members(); 4096 bytes each. */
  setHeads(heads: readonly Uint8Array[]): void;
  append(directory: Fd, additions: readonly ArchiveAddition[], onProgress?: () => void): NativeJob<void, SinkCounters>;
  finish(sync: boolean, onProgress?: () => void): NativeJob<void, SinkCounters>;
  /** Of the file so far. */
  bytes(): number;
  /** SHA-256 of every member so far, in the order of the stream: pages, then one for each addition without `within`. */
  digests(): readonly Uint8Array[];
  close(): void;
}

/** prepare, serve, settle, dedup: each at most once, in this order, one at a time, none after close(). */
export interface NativePageSink {
  prepare(expectedBytes: number, onProgress?: () => void): NativeJob<void, SinkCounters>;
  /** Consumes the socket. A failure of the protocol is in the value; the job rejects only when it could not run. */
  serve(socket: Fd, onProgress?: () => void): NativeJob<SinkReception, SinkCounters>;
  settle(onProgress?: () => void): NativeJob<void, SinkCounters>;
  dedup(onProgress?: () => void): NativeJob<void, SinkCounters>;
  /** Idempotent; gives memory and fds back, as soon as no job runs. */
  close(): void;
  /** Also after close(). */
  counters(): SinkCounters;
}

/** What one end of a migration's page streams has done so far, over all levels. Pages of 4096 bytes. */
export interface TransferCounters {
  /** Looked at: taken from CRIU or read from a running task; at the destination, received. */
  readonly pagesIn: number;
  /** Told of, not carried. */
  readonly zeroPages: number;
  /** Left out: the destination has them, by their digests. */
  readonly samePages: number;
  /** Not carried yet: the destination asks for them when its copy runs. */
  readonly leftPages: number;
  /** Carried, in whatever form. */
  readonly sentPages: number;
  /** Of these, compressed. */
  readonly packedPages: number;
  /** Of these, as what differs from what was sent of them before; and what that took. */
  readonly patchedPages: number;
  readonly patchBytes: number;
  /** What the carried pages took. */
  readonly bodyBytes: number;
  /** All bytes of the page streams. */
  readonly wireBytes: number;
  readonly cpuNs: number;
  /** The time in which senders waited for the link, summed over them. */
  readonly stallNs: number;
  /** Of `cpuNs`: reading pages, and looking for zeros and comparing. */
  readonly readNs: number;
  readonly sortNs: number;
}

/** `keys`: 32 bytes for each stream; without them the streams are plaintext. Streams are lent: the caller closes its own. */
export interface NativePageSenderOptions {
  readonly streams: readonly Fd[];
  readonly keys?: readonly Uint8Array[];
  readonly digests: boolean;
  readonly packing?: NativePacking;
  readonly delta?: NativeDelta;
}

/** Pages that are sent again travel as what differs. */
export interface NativeDelta {
  /** Of memory for what was sent, at most. */
  readonly cacheBytes: number;
  /** Also while the link is faster than finding the difference. */
  readonly always: boolean;
}

/** How pages are compressed on their way. */
export interface NativePacking {
  readonly codec: PageCodec;
  readonly level: number;
  /** Also while the link is faster than the compressor. */
  readonly always: boolean;
}

export type PageCodec = 'lz4' | 'zstd';

/** Level after level: serve, scan or leave, then finish; one job at a time, none after close(). */
export interface NativePageSender {
  /** Consumes the socket. */
  serve(socket: Fd, parent?: Fd): NativeJob<SinkReception, TransferCounters>;
  /** Pairs of numbers: a pid in our namespace, and the one in its own by which its images are named. */
  scan(tasks: readonly number[]): NativeJob<void, TransferCounters>;
  leave(directory: Fd, tasks: readonly number[], shmem: readonly number[]): NativeJob<void, TransferCounters>;
  finish(directory?: Fd): NativeJob<void, TransferCounters>;
  close(): void;
  counters(): TransferCounters;
}

export interface NativePageIntakeConstructor {
  new (options: NativePageIntakeOptions): NativePageIntake;
  /** Those that frames may be compressed with: their libraries are here. */
  codecs(): readonly PageCodec[];
}

export interface NativePageIntakeOptions {
  readonly streams: readonly Fd[];
  readonly keys?: readonly Uint8Array[];
  /** Of pages, over all levels. */
  readonly maxBytes: number;
}

/** One level per job, one job at a time, none after close(). */
export interface NativePageIntake {
  receive(directory: Fd, parent: Fd | undefined, lacking: boolean): NativeJob<void, TransferCounters>;
  close(): void;
  counters(): TransferCounters;
}

/** `keys`: for what goes out, and for what comes in. */
export interface NativeTunnel {
  readonly outer: Fd;
  readonly inner: Fd;
  readonly keys: readonly [Uint8Array, Uint8Array];
}

export interface NativeFeeding {
  readonly socket: Fd;
  readonly images: Fd;
  readonly archive?: Fd;
  readonly places?: Fd;
  readonly chain?: Fd;
}

/** Why a peer was given no more pages; native/page/page_feeder.h says what each means. */
export interface FeedFailure {
  readonly fault: 'hung-up' | 'bad-request' | 'not-there' | 'source';
  readonly errno: number;
  readonly syscall: string;
  /** Of the image that the page is of. */
  readonly pid: number;
  readonly vaddr: bigint;
}

export interface FeedCounters {
  readonly requests: number;
  readonly bytes: number;
}
