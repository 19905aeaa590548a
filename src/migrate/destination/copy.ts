// The copy of the tree: restored, and held before its first instruction until somebody decides. CRIU is started, and asked to restore,
// when the final dump has been announced and the tree still runs: what it does before it looks at an image (loading its libraries,
// finding out what the kernel can do, running iptables: 40 ms here) needs none. It waits on the inventory, which it reads first, and
// which is a pipe of ours until all the rest has come.

import { existsSync, fstatSync, readdirSync, readlinkSync, writeSync } from 'node:fs';
import { symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Fd } from '../../addon/fd.js';
import { pipe } from '../../addon/files.js';
import { LOG_LEVEL } from '../../criu/dump.js';
import { operation } from '../../criu/operation.js';
import { runRestore } from '../../criu/restoring.js';
import type { Tree } from '../../criu/tree.js';
import { CheckpointError } from '../../errors/checkpoint-error.js';
import { openDirectory } from '../../images/staging.js';
import { encodeOptions } from '../../options/request.js';
import type { RestoreOptions } from '../../options/types.js';
import type { Notification, Verdict } from '../../rpc/session.js';
import { RESTORE_LOG } from './guarded.js';
import { INVENTORY } from './levels.js';

export interface Held {
  /** Pids of the held root, and of the CRIU that holds it. */
  readonly root: number;
  readonly criu: number;
}

export interface Copy {
  /** CRIU waits for the inventory. Rejects as `held` does, when it never will. Absent where nobody waits for that. */
  readonly ready?: Promise<void>;
  /** All images are there, with this inventory: CRIU may go on. */
  begin(inventory: Uint8Array): void;
  /** Rejects as restore() does, when CRIU fails before; then nothing of the tree is left. */
  readonly held: Promise<Held>;
  /** Lets it run. Rejects as restore() does; then nothing of it is left. Only after `held`. */
  resume(): Promise<Tree>;
  /** Ends it, held or not: resolves when no task of it is left. Not after resume(). */
  remove(): Promise<void>;
}

export interface CopyOptions {
  readonly directory: string;
  /** Of CRIU's log and statistics: exists, and is empty. */
  readonly workDir: string;
  readonly options: Omit<RestoreOptions, 'workDir' | 'logFile'>;
  readonly criu: string | undefined;
  /** Where its lazy pages are: a connection, which is consumed. Default: they are in the images. */
  readonly left?: Fd;
}

/** Starts CRIU. `directory` is the folder of the final level, in which pages may arrive already. */
export async function makeCopy({ directory, workDir, options: given, criu, left }: CopyOptions): Promise<Copy> {
  const abort = new AbortController();
  const decision = deferred<Verdict>();
  const reached = deferred<Held>();
  // The guardian reads the log, which says more from this level on.
  const options: RestoreOptions = {
    ...given,
    logLevel: LOG_LEVEL,
    restoreSibling: true,
    workDir,
    logFile: RESTORE_LOG,
    ...(left === undefined ? {} : { lazyPages: true }),
  };
  let criuPid = 0;
  const below = left === undefined ? undefined : await openParent(directory);
  const door = await openInventory(directory).catch((error: unknown) => {
    below?.close();
    throw error;
  });
  const whole = deferred<void>();
  const ready = deferred<void>();
  const plan = {
    imagesDir: directory,
    criu,
    options,
    // Without us nobody could say what has become of it.
    lazy: left && { outlive: false },
    ...(left === undefined ? {} : { pages: { peer: left, ...(below === undefined ? {} : { chain: below }) } }),
    arriving: {
      whole: whole.promise,
      asked: () => ready.resolve(door.reached(criuPid)),
      release: door.release,
      abandon: door.close,
    },
    encode: (own: Parameters<typeof encodeOptions>[2]) => encodeOptions('restore', options, own),
    onCriu: (pid: number) => {
      criuPid = pid;
    },
    // All tasks are there, none has run. After it CRIU unlocks the network and lets them go.
    notify: (notification: Notification): Verdict | Promise<Verdict> => {
      if (notification.kind !== 'post-restore') return { kind: 'proceed' };
      reached.resolve({ root: notification.pid, criu: criuPid });
      return decision.promise;
    },
  } as const;
  const { done } = operation(abort.signal, (work) =>
    runRestore(plan, work).finally(() => {
      door.close();
      // The service has its own.
      left?.close();
      below?.close();
    }),
  );
  const copy = copyOf(done, { door, whole, reached, decision, abort });
  // A restore that fails before CRIU is asked has no other way to say so.
  const waiting = Promise.race([ready.promise, copy.held.then(() => {})]);
  waiting.catch(() => {});
  return { ready: waiting, ...copy };
}

/** What iterations have brought. */
async function openParent(directory: string): Promise<Fd | undefined> {
  const parent = join(directory, 'parent');
  return existsSync(parent) ? openDirectory(parent) : undefined;
}

interface Handles {
  readonly door: Door;
  readonly whole: Deferred<void>;
  readonly reached: Deferred<Held>;
  readonly decision: Deferred<Verdict>;
  readonly abort: AbortController;
}

/** The copy that `restored` will be, in the hands of who decides. */
export function copyOf(restored: Promise<Tree>, { door, whole, reached, decision, abort }: Handles): Copy {
  const failed = restored.then(
    () => new Promise<never>(() => {}),
    (error: unknown) => Promise.reject(error),
  );
  const held = Promise.race([reached.promise, failed]);
  // A copy that is given up before all images have come is waited for by nobody.
  held.catch(() => {});
  return {
    begin(inventory) {
      door.fill(inventory);
      whole.resolve();
    },
    held,
    resume() {
      decision.resolve({ kind: 'proceed' });
      return restored;
    },
    async remove() {
      decision.resolve({ kind: 'refuse' });
      abort.abort(new Error('the migration was given up'));
      whole.reject(abort.signal.reason);
      await restored.catch(() => {});
    },
  };
}

export interface Door {
  /** What CRIU will read. */
  fill(inventory: Uint8Array): void;
  /** Resolves when that process waits before it, or has been let in. Rejects when the door is closed before. */
  reached(pid: number): Promise<void>;
  release(): void;
  /** Idempotent. CRIU, if it still waits, reads nothing and fails. */
  close(): void;
}

/** CRIU reads the inventory of `directory` when the door lets it. */
export async function openInventory(directory: string): Promise<Door> {
  const { read, write } = pipe();
  const close = (): void => {
    write.close();
    read.close();
  };
  await symlink(`/proc/${process.pid}/fd/${read.number}`, join(directory, INVENTORY)).catch((error: unknown) => {
    close();
    throw error;
  });
  let bytes: Uint8Array = new Uint8Array();
  let released = false;
  return {
    fill(inventory) {
      bytes = inventory;
    },
    async reached(pid) {
      const pipe = `pipe:[${fstatSync(write.number).ino}]`;
      // The kernel tells nobody that a pipe was opened.
      while (!released && !holds(pid, pipe)) {
        if (write.closed)
          throw new CheckpointError('CRIU_DIED', 'Cannot wait for CRIU: it has ended before it read an image', {});
        await delay(LOOK_MS);
      }
    },
    release() {
      released = true;
      writeSync(write.number, bytes);
      write.close();
    },
    close,
  };
}

const LOOK_MS = 2;

function holds(pid: number, link: string): boolean {
  try {
    const folder = `/proc/${pid}/fd`;
    return readdirSync(folder).some((number) => readlinkSync(join(folder, number)) === link);
  } catch {
    // One of them was closed meanwhile; of a process that has ended others hear.
    return false;
  }
}

export interface Deferred<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T | PromiseLike<T>) => void;
  readonly reject: (reason: unknown) => void;
}

/** A rejection that nobody waits for is none. */
export function deferred<T>(): Deferred<T> {
  let resolve: (value: T | PromiseLike<T>) => void = () => {};
  let reject: (reason: unknown) => void = () => {};
  const promise = new Promise<T>((settle, refuse) => {
    resolve = settle;
    reject = refuse;
  });
  promise.catch(() => {});
  return { promise, resolve, reject };
}
