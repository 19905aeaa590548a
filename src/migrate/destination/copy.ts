// The copy of the tree: restored, and held before its first instruction until somebody decides.

import { restore } from '../../criu/restore.js';
import { imagesDirectory } from '../../criu/target.js';
import type { Tree } from '../../criu/tree.js';
import type { RestoreOptions } from '../../options/types.js';
import type { Verdict } from '../../rpc/session.js';

export interface Copy {
  /** The pid of the held root. Rejects as restore() does, when CRIU fails before; then nothing of the tree is left. */
  readonly held: Promise<number>;
  /** Lets it run. Rejects as restore() does; then nothing of it is left. Only after `held`. */
  resume(): Promise<Tree>;
  /** Ends it, held or not: resolves when no task of it is left. Not after resume(). */
  remove(): Promise<void>;
}

export interface CopyOptions {
  readonly directory: string;
  readonly options: RestoreOptions;
  readonly criu: string | undefined;
}

export function makeCopy({ directory, options, criu }: CopyOptions): Copy {
  const abort = new AbortController();
  let decide: (verdict: Verdict) => void = () => {};
  const decision = new Promise<Verdict>((resolve) => {
    decide = resolve;
  });
  let hold: (pid: number) => void = () => {};
  const reached = new Promise<number>((resolve) => {
    hold = resolve;
  });
  const { done } = restore(imagesDirectory(directory), {
    ...options,
    ...(criu === undefined ? {} : { criu }),
    signal: abort.signal,
    // All tasks are there, none has run. After it CRIU unlocks the network and lets them go.
    notify: (notification) => {
      if (notification.kind !== 'post-restore') return { kind: 'proceed' };
      hold(notification.pid);
      return decision;
    },
  });
  const failed = done.then(
    () => new Promise<never>(() => {}),
    (error: unknown) => Promise.reject(error),
  );
  failed.catch(() => {});
  return {
    held: Promise.race([reached, failed]),
    resume() {
      decide({ kind: 'proceed' });
      return done;
    },
    async remove() {
      decide({ kind: 'refuse' });
      abort.abort(new Error('the migration was given up'));
      await done.catch(() => {});
    },
  };
}
