// The pids of a checkpoint, free again before CRIU makes a task that is to have one.

import type { TreeEntry } from '../images/pstree.js';
import type { Notify } from '../rpc/session.js';
import { type Remnants, watchRemnants } from './remnants.js';
import { waitForPids } from './wait-for-pids.js';

/** Resolves when nobody holds a pid of the checkpoint who will let go of it. */
export async function freed(tasks: readonly TreeEntry[], signal: AbortSignal): Promise<Remnants> {
  await waitForPids(tasks, signal);
  return watchRemnants(tasks);
}

/** At `pre-restore` CRIU has read the small images and made no task yet. */
export function waitingFor(freeing: Promise<unknown> | undefined, notify: Notify): Notify {
  freeing?.catch(() => {});
  return async (notification, held) => {
    if (notification.kind === 'pre-restore') await freeing;
    return notify(notification, held);
  };
}
