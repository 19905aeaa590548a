import { HINTS } from './hints.js';
import type { Rule } from './rule.js';

/** Sockets and locking the network. */
export const SOCKET_RULES: readonly Rule[] = [
  {
    id: 'tcp-established',
    match: /Connected TCP socket, consider using --(?<flag>[\w-]+) option/,
    reason: 'Process {pid} holds an established TCP connection< on fd {fd}>',
    remedy:
      'Pass tcpEstablished: true (--tcp-established) to keep it, tcpClose: true (--tcp-close) to drop it, or close it before the dump',
    option: HINTS.tcpEstablished,
    near: ['pid', 'fd', 'inode'],
  },
  {
    id: 'tcp-established-in-image',
    match: /Connected TCP socket in image/,
    reason:
      'The checkpoint holds an established TCP connection< (local {address}:{port})>< on fd {fd} of process {pid}>',
    remedy: 'Pass tcpEstablished: true (--tcp-established) on restore as well',
    option: HINTS.tcpEstablished,
    near: ['pid', 'fd', 'port', 'address'],
  },
  {
    id: 'tcp-close-missing',
    match: /Need to set the --tcp-close options?/,
    reason: 'The tree was dumped with tcpClose',
    remedy: 'Pass tcpClose: true (--tcp-close) on restore as well',
    option: HINTS.tcpClose,
  },
  {
    id: 'tcp-in-flight',
    match: /In-flight connection \(l\) for (?<socket>[0-9a-f]+)/,
    reason: 'Process {pid} has a connection that it has not accepted yet, on the listening socket< on fd {fd}>',
    remedy: 'Pass skipInFlight: true (--skip-in-flight) to drop such connections, or dump again in a moment',
    option: HINTS.skipInFlight,
    near: ['pid', 'fd', 'inode'],
  },
  {
    id: 'tcp-in-flight-hint',
    match: /In-flight connections can be ignored/,
    reason: 'CRIU names the option for connections that are not accepted yet',
    rank: 'consequence',
  },
  {
    id: 'address-in-use',
    match: /Can't bind inet socket (?:\(id \d+\)|back): Address already in use/,
    reason: 'The port< {port}>< on {address}> of a restored socket is taken',
    remedy: 'Free the port, or restore in a network namespace of its own',
    near: ['pid', 'port', 'address'],
  },
  {
    id: 'address-missing',
    match: /Can't bind inet socket (?:\(id \d+\)|back): Cannot assign requested address/,
    reason: 'This host does not have the address< {address}> of a restored socket< (port {port})>',
    remedy: 'Give the address to this host, or restore in a network namespace that has it',
    near: ['pid', 'port', 'address'],
  },
  {
    id: 'address-forbidden',
    match: /Can't bind inet socket (?:\(id \d+\)|back): (?<why>.+)/,
    reason: 'A restored socket cannot be bound< to {address}><, port {port}>: {why}',
    near: ['pid', 'port', 'address'],
  },
  {
    id: 'network-lock-iptables',
    match: /(?:Locking network failed: iptables-restore returned|Iptables configuration failed)/,
    reason: 'The network cannot be locked: iptables does not work here',
    remedy: 'Pass networkLock: "nftables" (--network-lock nftables), or install iptables',
    option: HINTS.networkLock,
  },
  {
    // Every restore of a network namespace tries these programs, too, and does without.
    id: 'no-iptables',
    match: /(?:execvp\("ip6?tables(?:-legacy)?-restore", \.\.\.\) failed|ip6?tables(?:-legacy)?-restore -V failed)/,
    reason: 'iptables is not installed here',
    remedy: 'Pass networkLock: "nftables" (--network-lock nftables) to the dump, or install iptables',
    option: HINTS.networkLock,
    rank: 'symptom',
  },
  {
    id: 'network-lock-nftables',
    match:
      /(?:CRIU was built without libnftables support|Locking network failed using nftables|Nftables based locking requires libnftables)/,
    reason: 'The network cannot be locked with nftables: this CRIU or this kernel does not support it',
    remedy: 'Pass networkLock: "iptables", or "skip" (--network-lock skip) where nothing is connected',
    option: HINTS.networkLock,
  },
  {
    id: 'tcp-lock-failed',
    match: /Failed to lock TCP connection (?<socket>[0-9a-f]+)/,
    reason: 'A TCP connection of process {pid}< on fd {fd}> cannot be locked',
    rank: 'symptom',
    near: ['pid', 'fd'],
  },
  {
    id: 'unix-external',
    match: /External socket is used\. Consider using --ext-unix-sk option/,
    reason: 'Process {pid} holds on fd {fd} a unix socket (inode {inode}) whose other end is outside the tree',
    remedy:
      'Close it before the dump, pass extUnixSk: true (--ext-unix-sk) for datagram sockets with a name, or declare it: external: ["unix[{inode}]"]',
    option: HINTS.extUnixSk,
    near: ['pid', 'fd', 'inode', 'path'],
  },
  {
    id: 'unix-external-in-image',
    match: /External socket found in image\. Consider using the --ext-unix-sk option/,
    reason: 'The checkpoint holds a unix socket connected to the outside',
    remedy: 'Pass extUnixSk: true (--ext-unix-sk) on restore as well',
    option: HINTS.extUnixSk,
    near: ['pid', 'fd'],
  },
  {
    id: 'unix-runaway',
    match: /Runaway socket/,
    reason: 'A unix socket< (inode {inode})> leads out of the tree',
    remedy: 'Close it before the dump, or pass extUnixSk: true (--ext-unix-sk)',
    option: HINTS.extUnixSk,
    anyLevel: true,
    rank: 'symptom',
    near: ['pid', 'fd', 'inode'],
  },
  {
    id: 'unix-half-stream',
    match: /Can't dump half of stream unix connection\.(?: name: (?<name>.+); peer name: (?<path>.+))?/,
    reason:
      'Process {pid} holds on fd {fd} a unix stream (inode {inode}) whose other end<, {path},> is outside the tree',
    remedy: 'Close the connection before the dump, or declare it: external: ["unix[{inode}]"]',
    option: HINTS.external,
    near: ['pid', 'fd', 'inode'],
  },
  {
    id: 'unix-nameless-external',
    match: /Can't dump name-less external socket/,
    reason: 'Process {pid} holds on fd {fd} a unix socket whose other end is outside the tree and has no name',
    remedy: 'Close it before the dump, or declare it: external: ["unix[{inode}]"]',
    option: HINTS.external,
    near: ['pid', 'fd', 'inode'],
  },
  {
    id: 'socket-unsupported',
    match:
      /(?:Unsupported proto (?<proto>\d+) for socket|Unsupported socket (?:family|type): (?<kind>\d+)|Unsupported type \(\d+\) on socket|Only stream, dgram and raw are supported|BUG! Unknown socket collected \(family (?<family>\d+)\))/,
    reason: 'Process {pid} holds a socket< on fd {fd}> of a kind that CRIU does not carry',
    remedy: 'Close the socket before the dump',
    near: ['pid', 'fd', 'inode'],
  },
  {
    id: 'socket-corked',
    match: /Can't dump corked dgram socket/,
    reason: 'Process {pid} is in the middle of writing a datagram< on fd {fd}>',
    remedy: 'Dump again in a moment',
    near: ['pid', 'fd'],
  },
  {
    // Kernels from 6.16 on refuse SO_PASSCRED on inet sockets; 4.2 knows.
    id: 'criu-too-old-sockopt',
    match: /Can't get 1:(?:16|34) opt: Operation not supported/,
    reason: 'This CRIU is too old for the kernel: from 6.16 on it cannot dump a process with an inet socket',
    remedy: 'Use CRIU 4.2 or newer (scripts/setup brings it)',
    near: ['pid', 'fd'],
  },
  {
    id: 'tun-outside-netns',
    match: /Net namespace is required to dump tun link/,
    reason: 'Process {pid} holds a tun device< on fd {fd}> of the host',
    remedy: 'Start the tree in a network namespace of its own, or close the device',
    near: ['pid', 'fd', 'path'],
  },
  {
    id: 'netns-link',
    match: /Unsupported link (?:type )?(?<link>\d+)(?: \(type (?<type>\d+) kind (?<kind>[^)]*)\))?/,
    reason: 'The network namespace has a device< of kind {kind}> that CRIU does not carry',
    remedy: 'Remove the device, or declare the namespace external: external: ["net[INODE]:LABEL"]',
    option: HINTS.external,
  },
];
