// What a restore that failed leaves. A CRIU that fails kills the tasks that it has made, but the root is our child, and stays a
// zombie until we have reaped it; a CRIU that was killed leaves them half made. They are known by the pids of the checkpoint that
// were free before.

import { existsSync } from 'node:fs';
import { pidfdOpen, waitChild } from '../addon/children.js';
import type { TreeEntry } from '../images/pstree.js';
import { killTree } from './tree.js';

export interface Remnants {
  /** Kills what is there now and was not before; `root` is the root task as CRIU named it, for a namespace of its own. */
  clear(root: number | undefined): Promise<void>;
}

/** To be called before CRIU starts. */
export function watchRemnants(tasks: readonly TreeEntry[]): Remnants {
  const free = tasks.map(({ pid }) => pid).filter((pid) => !exists(pid));
  return {
    async clear(root) {
      const made = free.filter(exists);
      for (const pid of root === undefined ? made : [root, ...made]) {
        await killTree(pid);
        await reap(pid);
      }
    },
  };
}

function exists(pid: number): boolean {
  return existsSync(`/proc/${pid}`);
}

// ECHILD or ESRCH: its parent was CRIU, so that the reaper of the system has it.
async function reap(pid: number): Promise<void> {
  try {
    using pidfd = pidfdOpen(pid);
    await waitChild(pidfd).done;
  } catch {
    // Nobody of ours to wait for.
  }
}
