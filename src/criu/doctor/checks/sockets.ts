import { HINTS } from '../../../errors/rules/hints.js';
import { type Finding, unless } from '../finding.js';
import type { UnixSocket } from '../proc-text.js';
import type { Check, Scene } from '../scene.js';
import { socketInode } from '../sockets.js';
import type { OpenFile } from '../tree.js';

// include/net/tcp_states.h and linux/net.h
const TCP = { CLOSE: 7, LISTEN: 10 };
const UNIX_CONNECTED = 3;

/** Sockets: connections, backlogs, unix peers, families that CRIU does not know. */
export const checkSockets: Check = (scene) => {
  const files = oneHolderEach(scene.tree.tasks.flatMap((task) => task.files));
  const findings = files.flatMap((file) => [...tcp(file, scene), ...unsupported(file, scene)]);
  return [...findings, ...unixPeers(files, scene), ...networkLock(findings, scene)];
};

/** Forked tasks share their sockets: the first fd speaks for all of them. */
function oneHolderEach(files: readonly OpenFile[]): OpenFile[] {
  const held = new Map<number, OpenFile>();
  for (const file of files) {
    const inode = socketInode(file.link);
    if (inode !== undefined && !held.has(inode)) held.set(inode, file);
  }
  return [...held.values()];
}

function tcp(file: OpenFile, { sockets, options }: Scene): Finding[] {
  const { pid, fd, link } = file;
  const socket = sockets.get(socketInode(link) ?? 0);
  if (socket?.kind !== 'tcp' || socket.state === TCP.CLOSE) return [];
  const place = { pid, fd, path: link, neededFor: 'dump', severity: 'blocks' } as const;
  if (socket.state !== TCP.LISTEN) {
    return [
      unless(options.tcpEstablished === true || options.tcpClose === true, {
        ...place,
        id: 'tcp-established',
        title: `Process ${pid} holds an established TCP connection on fd ${fd} (local port ${socket.localPort})`,
        remedy:
          'Pass tcpEstablished: true (--tcp-established) to keep it, tcpClose: true (--tcp-close) to drop it, or close it before the dump',
        option: HINTS.tcpEstablished,
      }),
    ];
  }
  if (socket.receiveQueue === 0) return [];
  return [
    unless(options.skipInFlight, {
      ...place,
      id: 'tcp-in-flight',
      title: `Process ${pid} has ${socket.receiveQueue} connections that it has not accepted yet, on the listening socket on fd ${fd} (port ${socket.localPort})`,
      remedy: 'Pass skipInFlight: true (--skip-in-flight) to drop such connections, or dump again in a moment',
      option: HINTS.skipInFlight,
    }),
  ];
}

function unsupported({ pid, fd, link }: OpenFile, { sockets }: Scene): Finding[] {
  const socket = sockets.get(socketInode(link) ?? 0);
  if (socket !== undefined && socket.kind !== 'icmp') return [];
  // A TCP or UDP socket that is not bound yet is in no table either, so an unknown one is no reason to refuse.
  const icmp = socket !== undefined;
  return [
    {
      id: icmp ? 'socket-unsupported' : 'socket-unknown',
      severity: icmp ? 'blocks' : 'note',
      title: icmp
        ? `Process ${pid} holds a ping socket on fd ${fd}`
        : `Process ${pid} holds on fd ${fd} a socket that /proc does not list: unbound, or of a family that CRIU may not carry`,
      neededFor: 'dump',
      remedy: icmp
        ? 'Close the socket before the dump'
        : 'Nothing to do if it is a TCP or UDP socket that is not connected',
      pid,
      fd,
      path: link,
    },
  ];
}

/**
 * /proc does not say who is connected to whom. Certain is: both ends of socketpair() have neighbouring inodes, and the peer of a
 * lone connected socket is outside. Anything else is told as a possibility.
 */
function unixPeers(files: readonly OpenFile[], scene: Scene): Finding[] {
  const held = new Map(files.map((file) => [socketInode(file.link) ?? 0, file]));
  const connected = [...held].flatMap(([inode, file]) => {
    const socket = scene.sockets.get(inode);
    return socket?.kind === 'unix' && socket.state === UNIX_CONNECTED ? [{ inode, file, socket }] : [];
  });
  const open = connected.filter(({ inode }) => !isPaired(inode, held, scene));
  const lone = open.length === 1;
  return open.map(({ inode, file, socket }) => {
    const neighbour = [inode - 1, inode + 1].find((each) => scene.outsideSockets.has(each) && isUnix(each, scene));
    return judgePeer(file, socket, {
      inode,
      certain: lone || neighbour !== undefined,
      holder: scene.outsideSockets.get(neighbour ?? -1),
      scene,
    });
  });
}

function isPaired(inode: number, held: ReadonlyMap<number, OpenFile>, scene: Scene): boolean {
  return [inode - 1, inode + 1].some((each) => held.has(each) && isUnix(each, scene));
}

function isUnix(inode: number, { sockets }: Scene): boolean {
  const socket = sockets.get(inode);
  return socket?.kind === 'unix' && socket.state === UNIX_CONNECTED;
}

interface Peer {
  readonly inode: number;
  readonly certain: boolean;
  readonly holder: number | undefined;
  readonly scene: Scene;
}

function judgePeer({ pid, fd, link }: OpenFile, socket: UnixSocket, { inode, certain, holder, scene }: Peer): Finding {
  const { options } = scene;
  const declared = (options.external ?? []).includes(`unix[${inode}]`);
  const name = socket.path === undefined ? '' : ` "${socket.path}"`;
  const where = certain
    ? `whose other end is outside the tree${holder === undefined ? '' : ` (process ${holder})`}`
    : 'whose other end may be outside the tree (/proc does not tell)';
  return unless(options.extUnixSk === true || declared, {
    id: 'unix-external',
    severity: certain ? 'blocks' : 'limits',
    title: `Process ${pid} holds on fd ${fd} a unix socket${name} (inode ${inode}) ${where}`,
    neededFor: 'dump',
    remedy: `Close it before the dump, pass extUnixSk: true (--ext-unix-sk) for datagram sockets with a name, or declare it: external: ["unix[${inode}]"]`,
    option: HINTS.extUnixSk,
    pid,
    fd,
    path: socket.path ?? link,
  });
}

/** The network is locked for connections that are kept, and for a namespace that is not ours. Unasked, Frazil takes what is there. */
function networkLock(findings: readonly Finding[], { tree, options, host }: Scene): Finding[] {
  const keeps = options.tcpEstablished === true && findings.some(({ id }) => id === 'tcp-established');
  const namespace = tree.root.namespaces.net !== tree.ownNamespaces.net;
  if ((!keeps && !namespace) || host.iptables || options.networkLock !== 'iptables') return [];
  return [
    {
      id: 'network-lock-iptables',
      severity: 'blocks',
      title: 'The network has to be locked, and iptables is not installed',
      neededFor: 'dump',
      remedy: 'Pass networkLock: "nftables" (--network-lock nftables), or install iptables',
      option: HINTS.networkLock,
      pid: tree.root.pid,
    },
  ];
}
