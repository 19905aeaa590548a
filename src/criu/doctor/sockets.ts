// Sockets by inode, from /proc/PID/net of the task's network namespace.

import { linkOf, namesIn, textOf } from './proc-files.js';
import { type InetSocket, parseInet, parseLastColumnInodes, parseUnix, type UnixSocket } from './proc-text.js';
import type { Task, Tree } from './tree.js';

export type KnownSocket =
  | ({ readonly kind: 'tcp' } & InetSocket)
  | ({ readonly kind: 'udp' | 'raw' | 'icmp' } & InetSocket)
  | ({ readonly kind: 'unix' } & UnixSocket)
  | { readonly kind: 'netlink' | 'packet' };

export type SocketTable = ReadonlyMap<number, KnownSocket>;

const INET_FILES = [
  ['tcp', 'tcp'],
  ['tcp', 'tcp6'],
  ['udp', 'udp'],
  ['udp', 'udp6'],
  ['udp', 'udplite'],
  ['udp', 'udplite6'],
  ['raw', 'raw'],
  ['raw', 'raw6'],
  ['icmp', 'icmp'],
  ['icmp', 'icmp6'],
] as const;

/** All sockets of every network namespace in the tree. */
export async function readSockets(tree: Tree): Promise<SocketTable> {
  const table = new Map<number, KnownSocket>();
  for (const task of onePerNetwork(tree)) {
    const folder = `/proc/${task.pid}/net`;
    for (const [kind, file] of INET_FILES) {
      for (const socket of parseInet((await textOf(`${folder}/${file}`)) ?? ''))
        table.set(socket.inode, { kind, ...socket });
    }
    for (const socket of parseUnix((await textOf(`${folder}/unix`)) ?? ''))
      table.set(socket.inode, { kind: 'unix', ...socket });
    for (const kind of ['netlink', 'packet'] as const) {
      for (const inode of parseLastColumnInodes((await textOf(`${folder}/${kind}`)) ?? '')) table.set(inode, { kind });
    }
  }
  return table;
}

/** Inodes of sockets that tasks outside the tree hold, with one holder each. */
export async function readOutsideSockets(tree: Tree): Promise<ReadonlyMap<number, number>> {
  const inside = new Set(tree.tasks.map(({ pid }) => pid));
  const held = new Map<number, number>();
  for (const pid of (await namesIn('/proc'))
    .map(Number)
    .filter((each) => Number.isInteger(each) && !inside.has(each))) {
    for (const fd of await namesIn(`/proc/${pid}/fd`)) {
      const inode = socketInode((await linkOf(`/proc/${pid}/fd/${fd}`)) ?? '');
      if (inode !== undefined) held.set(inode, pid);
    }
  }
  return held;
}

/** The inode in "socket:[123]". */
export function socketInode(link: string): number | undefined {
  const inode = /^socket:\[(\d+)\]$/.exec(link)?.[1];
  return inode === undefined ? undefined : Number(inode);
}

function onePerNetwork({ tasks }: Tree): Task[] {
  return [...new Map(tasks.map((task) => [task.namespaces.net, task])).values()];
}
