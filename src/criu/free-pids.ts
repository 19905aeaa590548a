// The pids of a checkpoint, free again before CRIU makes a task that is to have one.

import { setImmediate as others } from 'node:timers/promises';
import type { TreeEntry } from '../images/pstree.js';
import type { Notify } from '../rpc/session.js';
import { type Remnants, watchRemnants } from './remnants.js';
import { waitForPids } from './wait-for-pids.js';

/** Begins when what the caller does next has been done. Resolves when nobody holds a pid of the checkpoint who will let go of it. */
export async function freed(tasks: readonly TreeEntry[], signal: AbortSignal): Promise<Remnants> {
  // Looking through all processes takes our thread some milliseconds, in which CRIU can already read the images.
  await others();
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
