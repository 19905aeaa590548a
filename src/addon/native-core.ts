// What every part of the addon's interface is made of: failures, fds, jobs, processes and messages.

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
  /** NAME=value, beside that and in place of what has the same name there. */
  readonly moreEnv?: readonly string[];
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
