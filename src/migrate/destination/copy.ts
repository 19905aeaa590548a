// The copy of the tree: restored, and held before its first instruction until somebody decides.

import { LOG_LEVEL } from '../../criu/dump.js';
import { operation } from '../../criu/operation.js';
import { runRestore } from '../../criu/restoring.js';
import type { Tree } from '../../criu/tree.js';
import { encodeOptions } from '../../options/request.js';
import type { RestoreOptions } from '../../options/types.js';
import type { Notification, Verdict } from '../../rpc/session.js';
import { RESTORE_LOG } from './guarded.js';

export interface Held {
  /** Pids of the held root, and of the CRIU that holds it. */
  readonly root: number;
  readonly criu: number;
}

export interface Copy {
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
}

export function makeCopy({ directory, workDir, options: given, criu }: CopyOptions): Copy {
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
  };
  let criuPid = 0;
  const plan = {
    imagesDir: directory,
    criu,
    options,
    lazy: undefined,
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
  const { done } = operation(abort.signal, (work) => runRestore(plan, work));
  const failed = done.then(
    () => new Promise<never>(() => {}),
    (error: unknown) => Promise.reject(error),
  );
  failed.catch(() => {});
  return {
    held: Promise.race([reached.promise, failed]),
    resume() {
      decision.resolve({ kind: 'proceed' });
      return done;
    },
    async remove() {
      decision.resolve({ kind: 'refuse' });
      abort.abort(new Error('the migration was given up'));
      await done.catch(() => {});
    },
  };
}

function deferred<T>(): { readonly promise: Promise<T>; readonly resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => {};
  const promise = new Promise<T>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
