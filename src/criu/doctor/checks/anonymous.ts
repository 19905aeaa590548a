// Fds without a path: what CRIU carries, and what ends the dump. Rows by the name that readlink shows.

import type { Finding } from '../finding.js';
import type { Check } from '../scene.js';
import type { OpenFile } from '../tree.js';

interface Kind {
  readonly match: RegExp;
  readonly verdict: 'carried' | 'blocks';
  readonly id?: string;
  readonly what: string;
  readonly remedy?: string;
}

const KINDS: readonly Kind[] = [
  { match: /^anon_inode:\[?eventfd\]?/, verdict: 'carried', what: 'an eventfd' },
  { match: /^anon_inode:\[?eventpoll\]?/, verdict: 'carried', what: 'an epoll instance' },
  { match: /^anon_inode:\[?signalfd\]?/, verdict: 'carried', what: 'a signalfd' },
  { match: /^anon_inode:\[?timerfd\]?/, verdict: 'carried', what: 'a timerfd' },
  {
    match: /^anon_inode:\[?inotify\]?/,
    verdict: 'carried',
    what: 'an inotify instance (events not yet read are lost)',
  },
  { match: /^anon_inode:\[?fanotify\]?/, verdict: 'carried', what: 'a fanotify instance' },
  { match: /^(?:anon_inode:\[pidfd\]|pidfd:)/, verdict: 'carried', what: 'a pidfd' },
  {
    match: /^anon_inode:\[io_uring\]/,
    verdict: 'blocks',
    id: 'io-uring',
    what: 'an io_uring',
    remedy: 'Switch io_uring off in the program (Node and libuv: UV_USE_IO_URING=0)',
  },
  {
    match: /^anon_inode:\[perf_event\]/,
    verdict: 'blocks',
    what: 'a perf event',
    remedy: 'Stop the profiler before the dump',
  },
  { match: /^anon_inode:\[userfaultfd\]/, verdict: 'blocks', what: 'a userfaultfd' },
  {
    match: /^anon_inode:\[?kvm/,
    verdict: 'blocks',
    what: 'a KVM machine',
    remedy: 'Use the migration of the hypervisor instead',
  },
  { match: /^anon_inode:\[?bpf/, verdict: 'blocks', what: 'a BPF object', remedy: 'Unload it before the dump' },
  { match: /^\/dmabuf:/, verdict: 'blocks', what: 'a buffer of a device (dma-buf)' },
];

/** Fds that have no path: carried or not, and pidfds that look outside. */
export const checkAnonymous: Check = ({ tree }) => {
  const inside = new Set(tree.tasks.map(({ pid }) => pid));
  return tree.tasks.flatMap(({ files }) => files.flatMap((file) => [...judge(file), ...pidfdOutside(file, inside)]));
};

function judge(file: OpenFile): Finding[] {
  const kind = KINDS.find(({ match }) => match.test(file.link));
  if (kind?.verdict === 'carried') return [];
  if (kind === undefined && !file.link.startsWith('anon_inode:')) return [];
  const { pid, fd, link } = file;
  return [
    {
      id: kind?.id ?? 'file-type',
      severity: 'blocks',
      title: `Process ${pid} holds on fd ${fd} ${kind?.what ?? 'a file of a kind that CRIU does not carry'} (${link})`,
      neededFor: 'dump',
      remedy: kind?.remedy ?? 'Close it before the dump',
      pid,
      fd,
      path: link,
    },
  ];
}

function pidfdOutside({ pid, fd, link, info }: OpenFile, inside: ReadonlySet<number>): Finding[] {
  const target = /^Pid:\s*(-?\d+)$/m.exec(info)?.[1];
  // -1 is a process that has been reaped; CRIU carries that.
  if (!/pidfd/.test(link) || target === undefined || target === '-1' || inside.has(Number(target))) return [];
  return [
    {
      id: 'pidfd-outside-tree',
      severity: 'blocks',
      title: `Process ${pid} holds on fd ${fd} a pidfd of process ${target}, which is outside the tree`,
      neededFor: 'dump',
      remedy: 'Close the pidfd before the dump',
      pid,
      fd,
      path: link,
    },
  ];
}
