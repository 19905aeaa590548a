// A restored tree in the hands of the caller.

import { readFile } from 'node:fs/promises';
import { constants } from 'node:os';
import { type ExitStatus, pidfdOpen, sendSignal, waitChild, waitExit } from '../addon/children.js';
import type { Fd } from '../addon/fd.js';
import { CheckpointError } from '../errors/checkpoint-error.js';
import { treeOf } from '../pages/estimate.js';
import { keepingAlive } from './keeping-alive.js';
import type { Filling } from './lazy/options.js';

export type { ExitStatus } from '../addon/children.js';

export interface Tree {
  /** Of the root, in the pid namespace that Frazil runs in. */
  readonly pid: number;
  /**
   * How the root ended. Of a tree that was restored as a child of this process (restoreSibling, the default) the status is known;
   * of another one only that it has ended (`undefined`). Waiting for it keeps the program running; not waiting does not.
   */
  readonly exited: Promise<ExitStatus | undefined>;
  /** The master of the root's terminal, when `orphanPtsMaster` was given and there was one. The caller owns it. */
  readonly terminal?: Fd;
  /** The fill of its memory, when it was restored with `lazy`. */
  readonly filling?: Filling;
  /** Signals the root; with SIGKILL, the default, every task of the tree. Resolves when it is sent; a tree that has ended is fine. */
  kill(signal?: NodeJS.Signals): Promise<void>;
}

export interface Adopted {
  readonly pid: number;
  /** Whether it is our child, so that we must reap it. */
  readonly child: boolean;
  readonly terminal: Fd | undefined;
}

/** Takes charge of the restored root. */
export function adoptTree({ pid, child, terminal }: Adopted): Tree {
  const pidfd = openRoot(pid);
  const wait = pidfd === undefined ? undefined : child ? waitChild(pidfd) : waitExit(pidfd);
  // Always waited for, so that it never stays a zombie; but only an awaited `exited` keeps the event loop alive.
  wait?.unref();
  const ended = (wait?.done ?? Promise.resolve(undefined)).then((status) => status ?? undefined);
  ended.finally(() => pidfd?.close()).catch(() => {});
  let exited: Promise<ExitStatus | undefined> | undefined;
  return {
    pid,
    get exited() {
      exited ??= keepingAlive(ended);
      return exited;
    },
    ...(terminal === undefined ? {} : { terminal }),
    kill: async (signal = 'SIGKILL') => {
      if (signal === 'SIGKILL') await killTree(pid);
      else if (pidfd !== undefined && !pidfd.closed) signalRoot(pidfd, signal);
    },
  };
}

// A root that has ended already has told nobody how: it was not our child, or it would be a zombie.
export function openRoot(pid: number): Fd | undefined {
  try {
    return pidfdOpen(pid);
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

function signalRoot(pidfd: Fd, signal: NodeJS.Signals): void {
  try {
    sendSignal(pidfd, constants.signals[signal]);
  } catch (error) {
    if (!isGone(error)) throw error;
  }
}

export function isGone(error: unknown): boolean {
  return CheckpointError.is(error, 'IO') && error.detail.errno === 'ESRCH';
}

// Tasks may fork while we look, so again until none is left. A pid is signalled through a pidfd that was seen below the root, so
// that its reuse by a stranger is not hit; the root of a pid namespace takes all with it at once.
const ROUNDS = 16;

/** SIGKILL for every task of the tree below `root`. */
export async function killTree(root: number): Promise<void> {
  for (let round = 0; round < ROUNDS; round += 1) {
    const pids = await treeOf(root);
    const living = await Promise.all(pids.map(async (pid) => ((await isZombie(pid)) ? undefined : openRoot(pid))));
    const fds = living.filter((fd) => fd !== undefined);
    if (fds.length === 0) return;
    // Leaves first: a child whose parent is gone is found no more.
    for (const fd of fds.reverse()) {
      signalRoot(fd, 'SIGKILL');
      fd.close();
    }
  }
}

async function isZombie(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return stat === '' || /^[ZX]/.test(stat.slice(stat.lastIndexOf(')') + 2));
}
