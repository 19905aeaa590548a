// The private interface of the addon, as C++ (native/napi) defines it. Nothing outside src/addon sees it: the wrappers
// beside this file turn its failures into CheckpointError and its jobs into ones that take an AbortSignal.
//
// An fd crosses as an Fd handle, never as a number. Synchronous calls throw and jobs reject with a plain NativeFailure;
// misuse throws TypeError.

import type {
  ExitStatus,
  Fd,
  NativeChild,
  NativeChildWatch,
  NativeExecOptions,
  NativeFdClass,
  NativeJob,
  NativeMessage,
  NativePeer,
  NativeSpawnOptions,
} from './native-core.js';
import type {
  ArchivePart,
  BadImage,
  ChainOutcome,
  CopiedBytes,
  DiffCounters,
  ImageFault,
  MemoryPatch,
  NativeCopy,
  NativeFilter,
  NativeMatch,
  NativePack,
  NativeSearchOptions,
  NativeStaging,
  SearchCounters,
  SquashCounters,
  StreamCounters,
} from './native-images.js';
import type {
  ArchiveAddition,
  FeedCounters,
  FeedFailure,
  NativeArchiveOptions,
  NativeArchiveWriter,
  NativeFeeding,
  NativePageIntakeConstructor,
  NativePageSender,
  NativePageSenderOptions,
  NativePageSink,
  NativePageSinkOptions,
  NativeTunnel,
} from './native-pages.js';

export interface Native {
  readonly Fd: NativeFdClass;

  readonly PageSink: new (options: NativePageSinkOptions) => NativePageSink;
  readonly PageSender: new (options: NativePageSenderOptions) => NativePageSender;
  readonly PageIntake: NativePageIntakeConstructor;
  /** ELIBACC without the library of its compression. */
  readonly ArchiveWriter: new (
    options: NativeArchiveOptions,
  ) => NativeArchiveWriter;
  /** A plain connection through an encrypted one, whose keys are for sending and receiving; consumes both sockets. */
  runTunnel(options: NativeTunnel): NativeJob<void>;
  /** Serves the lazy pages of images to a peer, from an archive where one is given; consumes the socket. */
  feedPages(options: NativeFeeding): NativeJob<FeedFailure | undefined, FeedCounters>;
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
  /** As one level without holes, into `to`; `lazy`: pairs of u64, see native/page/chain_stage.h. */
  stageChain(options: {
    readonly directory: Fd;
    readonly images: readonly { readonly name: string; readonly lazy: Uint8Array }[];
    readonly to: Fd;
  }): NativeJob<{ readonly fault?: ImageFault }>;
  /** Those of `names` that have pages and mark none as lazy. */
  unmarkedPagemaps(directory: Fd, names: readonly string[]): NativeJob<readonly string[]>;
  /** In place; `lazy` as above. */
  markPagemaps(
    directory: Fd,
    images: readonly { readonly name: string; readonly lazy: Uint8Array }[],
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

  /** At most 64 MiB. ENODATA for what is compressed without a seek table. */
  readArchive(archive: Fd, at: number, bytes: number): NativeJob<ArchivePart>;
  stageEager(options: NativeStaging): NativeJob<void>;
  copyBytes(options: NativeCopy): NativeJob<CopiedBytes, StreamCounters>;
  /** At most 64 MiB; fewer than asked for only at the end. */
  readBytes(from: Fd, bytes: number): NativeJob<Uint8Array>;
  filterStream(options: NativeFilter): NativeJob<StreamCounters, StreamCounters>;
  writeBytes(to: Fd, bytes: Uint8Array): NativeJob<void>;
  /** Below `folder`, over no link. EIO when a file has become shorter, EINVAL when it is none. */
  writeMembers(folder: Fd, to: Fd, additions: readonly ArchiveAddition[]): NativeJob<StreamCounters, StreamCounters>;
  /** Of a link its own. */
  readXattrs(path: string): readonly { readonly name: string; readonly value: Uint8Array }[];
  packStream(options: NativePack): NativeJob<StreamCounters, StreamCounters>;
  /** The root of a tmpfs mounted nowhere; EPERM without CAP_SYS_ADMIN. */
  privateTmpfs(): Fd;

  seqpacketPair(): [Fd, Fd];
  streamPair(options?: { readonly bufferBytes?: number }): [Fd, Fd];
  datagramSocket(): Fd;
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
  renameNew(from: string, to: string): void;
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
