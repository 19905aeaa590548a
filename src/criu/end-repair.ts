// The TCP sockets of a tree that CRIU died over: it puts each whose state it takes into repair mode (criu/sk-tcp.c), in which reads fail
// with EPERM, writes with EINVAL, and closing tells the peer nothing.

import { readdirSync, readlinkSync } from 'node:fs';
import { pidfdOpen } from '../addon/children.js';
import type { Fd } from '../addon/fd.js';
import { pidfdGetfd, tcpEndRepair, tcpInRepair } from '../addon/tcp-repair.js';
import { CheckpointError } from '../errors/checkpoint-error.js';

export interface Repaired extends Disposable {
  /** Those that were in repair mode: duplicates, by inode. */
  readonly sockets: ReadonlyMap<number, Fd>;
  /** The first that went wrong; the others were tried. */
  readonly failure?: unknown;
  /** Another window probe for each, and SO_REUSEADDR where the set names its inode: repair mode has taken that away. */
  finish(reusing: ReadonlySet<number>): void;
}

/**
 * Ends repair mode for every socket of the tasks. In one go, without a wait: they are running, and one that reads before its turn takes
 * its connection for broken.
 */
export function endRepair(pids: readonly number[]): Repaired {
  const sockets = new Map<number, Fd>();
  let failed: { readonly failure?: unknown } = {};
  const attempt = (step: () => void): void => {
    try {
      step();
    } catch (failure) {
      if (!isGone(failure)) failed = { failure, ...failed };
    }
  };
  for (const pid of pids) attempt(() => endRepairIn(pid, sockets, attempt));
  return {
    sockets,
    get failure() {
      return failed.failure;
    },
    finish: (reusing) => {
      for (const [inode, fd] of sockets) attempt(() => tcpEndRepair(fd, { reuseAddress: reusing.has(inode) }));
    },
    [Symbol.dispose]: () => {
      for (const fd of sockets.values()) fd.close();
    },
  };
}

function endRepairIn(pid: number, sockets: Map<number, Fd>, attempt: (step: () => void) => void): void {
  using pidfd = pidfdOpen(pid);
  for (const { number, inode } of socketsOf(pid)) {
    if (!sockets.has(inode)) attempt(() => endRepairOf({ pidfd, number, inode }, sockets));
  }
}

interface TaskSocket {
  readonly pidfd: Fd;
  readonly number: number;
  readonly inode: number;
}

function endRepairOf({ pidfd, number, inode }: TaskSocket, sockets: Map<number, Fd>): void {
  const fd = pidfdGetfd(pidfd, number);
  try {
    if (!tcpInRepair(fd)) return;
    tcpEndRepair(fd, { reuseAddress: false });
    sockets.set(inode, fd);
  } finally {
    if (!sockets.has(inode)) fd.close();
  }
}

function socketsOf(pid: number): readonly { readonly number: number; readonly inode: number }[] {
  const folder = `/proc/${pid}/fd`;
  return readdirSync(folder).flatMap((name) => {
    const inode = /^socket:\[(\d+)\]$/.exec(linkOf(`${folder}/${name}`))?.[1];
    return inode === undefined ? [] : [{ number: Number(name), inode: Number(inode) }];
  });
}

// Closed meanwhile: not a socket any more.
function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

// The task has ended or closed the socket: nothing of it is left in repair mode.
function isGone(error: unknown): boolean {
  if (CheckpointError.is(error, 'IO')) return ['ESRCH', 'EBADF'].includes(error.detail.errno ?? '');
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ESRCH');
}
