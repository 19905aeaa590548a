// The points of a verb at which something can go wrong: CRIU's notifications, and the middle of the pages.

import type { Notification, Verdict } from '../../src/rpc/session.js';
import { childrenOf, taskOf } from './procfs.js';

/** Of a dump of a tree in our own namespaces, in CRIU's order. */
export const DUMP_POINTS = ['pre-dump', 'query-ext-files', 'post-dump'] as const;
export const RESTORE_POINTS = ['pre-restore', 'post-restore', 'pre-resume', 'post-resume'] as const;

/** A `notify` that does `what` at one point, and remembers all that it has seen. */
export function at(point: string, what: () => unknown) {
  const seen: string[] = [];
  const notify = async ({ kind }: Notification): Promise<Verdict> => {
    seen.push(kind);
    if (kind === point) await what();
    return { kind: 'proceed' };
  };
  return { notify, seen };
}

/** The CRIU that `parent` is talking to. */
export function criuBelow(parent: number): number {
  const found = childrenOf(parent).filter((pid) => taskOf(pid)?.name === 'criu');
  const [pid] = found;
  if (pid === undefined || found.length > 1) throw new Error(`${found.length} criu below ${parent}`);
  return pid;
}
