// The private interface of the addon, as C++ (native/napi) defines it. Nothing outside src/addon sees it: the wrappers
// beside this file turn its failures into CheckpointError and its jobs into ones that take an AbortSignal.
//
// An fd crosses as an Fd handle, never as a number. Synchronous calls throw and jobs reject with a plain NativeFailure;
// misuse throws TypeError.

/** A failed system call: a positive errno and the call's own name. */
export interface NativeFailure {
  readonly errno: number;
  readonly syscall: string;
}

/**
 * An open file descriptor that somebody owns. Handing it to a call lends it, unless that call says that it consumes it.
 * A handle belongs to the thread that made it; move an fd to a worker with `take()` there and `Fd.adopt()` here.
 */
export interface Fd {
  /** The number, borrowed: good until the handle is spent. Throws TypeError when it is. */
  readonly number: number;
  /** Spent: closed, taken, or consumed by a call. */
  readonly closed: boolean;
  /** Ownership leaves the handle: the caller must close the number, such as by a `net.Socket` over it. */
  take(): number;
  /** Idempotent. A running job is not disturbed: it works on a duplicate. */
  close(): void;
  [Symbol.dispose](): void;
}

export interface NativeFdClass {
  /** Takes over an open number. */
  adopt(number: number): Fd;
  /** A CLOEXEC duplicate of a number that keeps its owner, such as a FileHandle's. */
  duplicate(number: number): Fd;
  is(value: unknown): boolean;
}

/** Background work on a thread of its own. Dropping the object does not stop it. */
export interface NativeJob<T, Counters = undefined> {
  readonly done: Promise<T>;
  /** Asks for the end; `done` then rejects with ECANCELED, unless the work was done already. */
  cancel(): void;
  /** The event loop may end while this runs. */
  unref(): void;
  /** The counters of this moment; the final ones after the end. */
  snapshot(): Counters;
}

/** Waits for a child's end, and for what it sends. */
export interface NativeChildWatch extends NativeJob<ExitStatus> {
  /** One call of `onReadable` as soon as the socket has something to tell. Nothing happens after the child's end. */
  arm(socket: Fd): void;
}

/** Who has connected, as the kernel saw it then. */
export interface NativePeer {
  readonly socket: Fd;
  readonly pid: number;
  readonly uid: number;
}

export interface NativeMessage {
  readonly bytes: Uint8Array;
  /** What came as SCM_RIGHTS; the receiver owns them. */
  readonly fds: readonly Fd[];
}

export interface NativeSpawnOptions {
  /** A path; PATH is not searched. */
  readonly file: string;
  /** With argv[0]. */
  readonly argv: readonly string[];
  /** NAME=value; nothing is inherited. Absent: this process's own, which only the main thread may ask for. */
  readonly env?: readonly string[];
  /** All that the child gets, borrowed. 0, 1 and 2 are /dev/null unless listed. A number is for what Node owns. */
  readonly fds: ReadonlyArray<{ readonly fd: Fd | number; readonly as: number }>;
  readonly newProcessGroup: boolean;
  readonly cwd?: string;
}

export interface NativeExecOptions {
  /** A path; PATH is not searched. */
  readonly file: string;
  /** With argv[0]. */
  readonly argv: readonly string[];
  /** NAME=value; nothing is inherited. */
  readonly env: readonly string[];
  /** Numbers above 2 that the program shall have too; what is not open is left out. */
  readonly keep: readonly number[];
  /** Which of 0, 1 and 2 were given to this process as non-blocking. */
  readonly nonblocking: readonly number[];
  /** Soft limit of open files. */
  readonly openFiles?: number;
}

export interface NativeChild {
  readonly pid: number;
  readonly pidfd: Fd;
}

/** `signal` is a number: real-time signals have no name in Node. */
export type ExitStatus =
  | { readonly kind: 'exited'; readonly code: number }
  | { readonly kind: 'signaled'; readonly signal: number; readonly coreDumped: boolean };

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
  /** Carried, in whatever form. */
  readonly sentPages: number;
  /** What the carried pages took. */
  readonly bodyBytes: number;
  /** All bytes of the page streams. */
  readonly wireBytes: number;
  readonly cpuNs: number;
  /** The time in which senders waited for the link, summed over them. */
  readonly stallNs: number;
}

/** `keys`: 32 bytes for each stream; without them the streams are plaintext. Streams are lent: the caller closes its own. */
export interface NativePageSenderOptions {
  readonly streams: readonly Fd[];
  readonly keys?: readonly Uint8Array[];
  readonly digests: boolean;
}

/** Level after level: serve or scan, then finish; one job at a time, none after close(). */
export interface NativePageSender {
  /** Consumes the socket. */
  serve(socket: Fd, parent?: Fd): NativeJob<SinkReception, TransferCounters>;
  /** Pairs of numbers: a pid in our namespace, and the one in its own by which its images are named. */
  scan(tasks: readonly number[]): NativeJob<void, TransferCounters>;
  finish(directory?: Fd): NativeJob<void, TransferCounters>;
  close(): void;
  counters(): TransferCounters;
}

export interface NativePageIntakeOptions {
  readonly streams: readonly Fd[];
  readonly keys?: readonly Uint8Array[];
  /** Of pages, over all levels. */
  readonly maxBytes: number;
}

/** One level per job, one job at a time, none after close(). */
export interface NativePageIntake {
  receive(directory: Fd, parent?: Fd): NativeJob<void, TransferCounters>;
  close(): void;
  counters(): TransferCounters;
}

/** A pages file that is shorter than its pagemap says, or a pagemap that is none. */
export interface BadImage {
  readonly name: string;
  readonly expectedBytes?: number;
  readonly actualBytes?: number;
}

/** What is wrong with an image; native/page/image_fault.h says what each flaw means and which of the numbers it uses. */
export interface ImageFault {
  readonly flaw:
    | 'system'
    | 'not-a-pagemap'
    | 'truncated'
    | 'malformed'
    | 'newer'
    | 'not-sorted'
    | 'pages-missing'
    | 'pages-short'
    | 'hole-unfilled';
  readonly errno: number;
  readonly syscall: string;
  /** 0 is the images directory itself, 1 its parent. */
  readonly level: number;
  /** The file in that directory; "parent" for the link. */
  readonly name: string;
  readonly offset: number;
  readonly vaddr: bigint;
  readonly pages: number;
  readonly wanted: number;
  readonly found: number;
}

export interface ChainCounters {
  readonly images: number;
  readonly runs: number;
  /** With bytes, wherever they lie. */
  readonly pages: number;
  /** Of these, in a parent. */
  readonly parentPages: number;
  readonly deduplicatedPages: number;
}

/** `depth` counts the levels that could be opened, the images directory itself included. */
export interface ChainOutcome extends ChainCounters {
  readonly fault?: ImageFault;
  readonly depth: number;
}

export interface SquashCounters {
  readonly images: number;
  readonly pages: number;
  readonly parentPages: number;
  readonly bytesCopied: number;
  readonly bytesTotal: number;
}

/** Bytes that replace those at an address of a task. */
export interface MemoryPatch {
  readonly vaddr: bigint;
  readonly bytes: Uint8Array;
}

export interface NativeSearchOptions {
  readonly directory: Fd;
  /** Pagemaps in it. */
  readonly names: readonly string[];
  /** Each of 1 to 65536 bytes. */
  readonly patterns: readonly Uint8Array[];
  readonly limit: number;
  /** Bytes around a match, at most 4096 either side. */
  readonly context: number;
  readonly threads: number;
}

export interface NativeMatch {
  /** Index in `names`. */
  readonly image: number;
  /** Index in `patterns`. */
  readonly pattern: number;
  readonly vaddr: bigint;
  readonly before: Uint8Array;
  readonly after: Uint8Array;
}

export interface SearchCounters {
  readonly bytes: number;
  readonly bytesTotal: number;
  readonly matches: number;
}

export interface DiffCounters {
  readonly pages: number;
  readonly bytesRead: number;
}

/** Of a copy: `bytesUser` are those that entered our memory. Of a filter: `bytes` went in, `bytesUser` came out. */
export interface StreamCounters {
  readonly bytes: number;
  readonly bytesUser: number;
}

export interface NativeCopy {
  readonly from: Fd;
  /** Written at its own position. Absent: the bytes are only read. */
  readonly to?: Fd;
  /** Absent: `from` is read at its own position. */
  readonly fromOffset?: number;
  /** Absent: to the end. */
  readonly bytes?: number;
  readonly sha256?: boolean;
  /** Stretches of zeros become holes of `to`, a regular file. */
  readonly holes?: boolean;
}

export interface CopiedBytes {
  /** Fewer than asked for only when `from` ended. */
  readonly bytes: number;
  readonly sha256?: Uint8Array;
}

export interface NativePack {
  /** The stream of an archive, to its end. */
  readonly from: Fd;
  /** Consumed, and closed when the job ends. */
  readonly to: Fd;
  /** `file`: a regular file of ours alone. */
  readonly form: 'file' | 'stream';
  readonly codec: 'zstd' | 'lz4' | 'gzip';
  readonly level: number;
  readonly threads: number;
  /** Where frames must begin, ascending. */
  readonly cuts: readonly number[];
}

/** EBADMSG: damaged. ENODATA: it ends in the middle. EPIPE: nobody reads `to`. ELIBACC: a library is missing. */
export interface NativeFilter {
  readonly kind: 'un-zstd' | 'un-lz4' | 'un-gzip' | 'age' | 'un-age';
  readonly from: Fd;
  /** Consumed, and closed when the job ends. */
  readonly to: Fd;
  /** What was read from `from` already. */
  readonly prefix?: Uint8Array;
  /** 32 bytes, for age. */
  readonly key?: Uint8Array;
}

export interface Native {
  readonly Fd: NativeFdClass;

  readonly PageSink: new (options: NativePageSinkOptions) => NativePageSink;
  readonly PageSender: new (options: NativePageSenderOptions) => NativePageSender;
  readonly PageIntake: new (options: NativePageIntakeOptions) => NativePageIntake;
  /** ELIBACC without the library of its compression. */
  readonly ArchiveWriter: new (
    options: NativeArchiveOptions,
  ) => NativeArchiveWriter;
  /** Nothing when every pagemap of `names` agrees with its pages file; without sizes when it cannot be parsed. */
  verifyPages(directory: Fd, names: readonly string[]): NativeJob<BadImage | undefined>;
  /** The pagemap `image` as crit prints it, into `out`. */
  printPagemap(image: Fd, out: Fd, pretty: boolean): NativeJob<{ readonly fault?: ImageFault; readonly bytes: number }>;
  /** All faults of `names`, at most `limit`; `fault` when the chain itself could not be opened. */
  verifyChain(
    directory: Fd,
    names: readonly string[],
    limit: number,
  ): NativeJob<ChainOutcome & { readonly faults: readonly ImageFault[] }>;
  dedupChain(directory: Fd, names: readonly string[]): NativeJob<ChainOutcome>;
  /** Into `to`, which holds no images. */
  squashImages(
    directory: Fd,
    names: readonly string[],
    to: Fd,
  ): NativeJob<{ readonly fault?: ImageFault; readonly depth: number }, SquashCounters>;
  searchMemory(
    options: NativeSearchOptions,
  ): NativeJob<
    { readonly fault?: ImageFault; readonly truncated: boolean; readonly matches: readonly NativeMatch[] },
    SearchCounters
  >;
  /** Of one pagemap's memory; at most 16 MiB. */
  readMemory(place: {
    readonly directory: Fd;
    readonly name: string;
    readonly vaddr: bigint;
    readonly bytes: number;
  }): NativeJob<{ readonly fault?: ImageFault; readonly bytes?: Uint8Array }>;
  /** Pagemaps and pages of a level above `directory`, into `to`. Patches ascend and do not overlap. */
  overlayImages(
    directory: Fd,
    images: readonly { readonly name: string; readonly patches: readonly MemoryPatch[] }[],
    to: Fd,
  ): NativeJob<{ readonly fault?: ImageFault }>;
  /** `images`: for each name its runs, three little-endian u64 each: address, pages, change. `side`: whose the fault is. */
  diffImages(
    first: Fd,
    second: Fd,
    names: readonly string[],
  ): NativeJob<
    { readonly fault?: ImageFault; readonly side?: 0 | 1; readonly images?: readonly Uint8Array[] },
    DiffCounters
  >;
  /** Below `root`, over no link: ELOOP, and not out of it: EXDEV. 'create' is O_EXCL, 0600. */
  openBeneath(root: Fd, path: string, how: 'read' | 'create' | 'folder'): Fd;
  /** 0700. EEXIST when something has the name. */
  mkdirBeneath(root: Fd, path: string): void;
  symlinkBeneath(root: Fd, path: string, target: string): void;

  copyBytes(options: NativeCopy): NativeJob<CopiedBytes, StreamCounters>;
  /** At most 64 MiB; fewer than asked for only at the end. */
  readBytes(from: Fd, bytes: number): NativeJob<Uint8Array>;
  filterStream(options: NativeFilter): NativeJob<StreamCounters, StreamCounters>;
  writeBytes(to: Fd, bytes: Uint8Array): NativeJob<void>;
  packStream(options: NativePack): NativeJob<StreamCounters, StreamCounters>;
  /** The root of a tmpfs mounted nowhere; EPERM without CAP_SYS_ADMIN. */
  privateTmpfs(): Fd;

  seqpacketPair(): [Fd, Fd];
  streamPair(options?: { readonly bufferBytes?: number }): [Fd, Fd];
  send(fd: Fd, bytes: Uint8Array, fds?: readonly Fd[]): void;
  receive(fd: Fd): NativeJob<NativeMessage | undefined>;
  /** Blocks the thread for at most `microseconds`. */
  receiveSoon(fd: Fd, microseconds: number): NativeMessage | 'hung-up' | undefined;

  listenSeqpacket(path: string): Fd;
  accept(listener: Fd): NativeJob<NativePeer>;

  pipe(options?: { readonly capacityBytes?: number }): { readonly read: Fd; readonly write: Fd };
  memfd(name: string): Fd;
  /** For a file without a name; EEXIST when the name is taken. */
  linkFile(fd: Fd, path: string): void;
  /** flock, exclusive; false when another open file has it. */
  tryLock(fd: Fd): boolean;

  spawn(options: NativeSpawnOptions): NativeChild;
  waitChild(pidfd: Fd): NativeJob<ExitStatus>;
  watchChild(pidfd: Fd, onReadable: () => void): NativeChildWatch;
  waitExit(pidfd: Fd): NativeJob<void>;
  pidfdOpen(pid: number): Fd;
  sendSignal(pidfd: Fd, signal: number): void;
  setChildSubreaper(on: boolean): void;

  /** Becomes the program; returns only by throwing, and then with everything as it was. */
  exec(options: NativeExecOptions): never;

  /** A duplicate of another process's fd. */
  pidfdGetfd(pidfd: Fd, number: number): Fd;
  /** False for what is no TCP socket. */
  tcpInRepair(fd: Fd): boolean;
  tcpEndRepair(fd: Fd, reuseAddress: boolean): void;
}
