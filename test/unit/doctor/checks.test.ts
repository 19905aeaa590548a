// The checks on made-up scenes: what a test machine cannot show at will.

import { describe, expect, it } from 'vitest';
import { checkAnonymous } from '../../../src/criu/doctor/checks/anonymous.js';
import { checkFiles } from '../../../src/criu/doctor/checks/files.js';
import { checkMemory } from '../../../src/criu/doctor/checks/memory.js';
import { checkNamespaces } from '../../../src/criu/doctor/checks/namespaces.js';
import { checkSockets } from '../../../src/criu/doctor/checks/sockets.js';
import { checkTasks } from '../../../src/criu/doctor/checks/tasks.js';
import { checkTerminals } from '../../../src/criu/doctor/checks/terminals.js';
import type { FileFacts } from '../../../src/criu/doctor/proc-files.js';
import type { Check, Scene } from '../../../src/criu/doctor/scene.js';
import type { KnownSocket, SocketTable } from '../../../src/criu/doctor/sockets.js';
import type { OpenFile, Task } from '../../../src/criu/doctor/tree.js';

const PID = 7;
const OURS = { pid: 'pid:[1]', mnt: 'mnt:[1]', net: 'net:[1]', ipc: 'ipc:[1]', uts: 'uts:[1]', user: 'user:[1]' };
const FILE: FileFacts = { inode: 5, links: 0, allocatedBytes: 4096, kind: 'file', major: 0, minor: 0 };

function task(given: Partial<Task> = {}): Task {
  return {
    pid: PID,
    stat: { name: 'x', state: 'S', parent: 1, group: PID, session: PID, terminal: 0 },
    status: new Map(Object.entries({ NSpid: '7', NSsid: '7', Uid: '0\t0\t0\t0', Gid: '0\t0\t0\t0' })),
    namespaces: OURS,
    files: [],
    maps: [],
    mappedFiles: new Map(),
    mounts: [],
    exe: '/bin/x',
    root: '/',
    memory: new Map(),
    ...given,
  };
}

function file(fd: number, link: string, given: Partial<OpenFile> = {}): OpenFile {
  return { pid: PID, fd, link, info: '', ...given };
}

function scene(root: Task, given: Partial<Scene> = {}): Scene {
  return {
    tree: { root, tasks: [root], ownNamespaces: OURS },
    options: {},
    sockets: new Map(),
    outsideSockets: new Map(),
    host: { capabilities: new Set([12, 19, 21, 24, 40]), uid: 0, gid: 0, iptables: true },
    ...given,
  };
}

const ids = (check: Check, at: Scene): string[] => check(at).map(({ id, severity }) => `${id}:${severity}`);
const unix = (inode: number, state = 3): [number, KnownSocket] => [
  inode,
  { kind: 'unix', inode, type: 1, state, listening: false },
];
const sockets = (...entries: readonly [number, KnownSocket][]): SocketTable => new Map(entries);

describe('checkSockets()', () => {
  const holding = (...inodes: readonly number[]): Task =>
    task({ files: inodes.map((inode, index) => file(index + 3, `socket:[${inode}]`)) });

  it('takes neighbouring inodes inside the tree for a pair', () => {
    expect(ids(checkSockets, scene(holding(50, 51), { sockets: sockets(unix(50), unix(51)) }))).toEqual([]);
  });

  it('is certain about the only connected socket, and about a neighbour outside', () => {
    expect(ids(checkSockets, scene(holding(50), { sockets: sockets(unix(50)) }))).toEqual(['unix-external:blocks']);
    const outsideSockets = new Map([[61, 99]]);
    const found = checkSockets(
      scene(holding(50, 60), { sockets: sockets(unix(50), unix(60), unix(61)), outsideSockets }),
    );
    expect(found.map(({ severity }) => severity)).toEqual(['limits', 'blocks']);
    expect(found[1]?.title).toContain('process 99');
  });

  it('says "may be" where /proc does not tell', () => {
    const found = checkSockets(scene(holding(50, 60), { sockets: sockets(unix(50), unix(60)) }));
    expect(found.map(({ severity }) => severity)).toEqual(['limits', 'limits']);
    expect(found[0]?.title).toContain('may be outside');
  });

  it('accepts a socket that is declared external by its inode', () => {
    const options = { external: ['unix[50]'] };
    expect(ids(checkSockets, scene(holding(50), { sockets: sockets(unix(50)), options }))).toEqual([
      'unix-external:ok',
    ]);
  });

  it('tells a socket that forked tasks share once', () => {
    const first = holding(50);
    const second = { ...first, pid: 8 };
    const at = scene(first, {
      sockets: sockets(unix(50)),
      tree: { root: first, tasks: [first, second], ownNamespaces: OURS },
    });
    expect(ids(checkSockets, at)).toHaveLength(1);
  });

  it('notes a socket that no table knows, and blocks on a ping socket', () => {
    const icmp: KnownSocket = { kind: 'icmp', inode: 50, state: 7, localPort: 1, receiveQueue: 0, uid: 0 };
    expect(ids(checkSockets, scene(holding(49)))).toEqual(['socket-unknown:note']);
    expect(ids(checkSockets, scene(holding(50), { sockets: sockets([50, icmp]) }))).toEqual([
      'socket-unsupported:blocks',
    ]);
  });

  it.each([
    [10, 0, []],
    [10, 2, ['tcp-in-flight:blocks']],
    [7, 0, []],
    [1, 0, ['tcp-established:blocks']],
    [8, 0, ['tcp-established:blocks']],
  ])('judges TCP state %i with a backlog of %i', (state, receiveQueue, expected) => {
    const tcp: KnownSocket = { kind: 'tcp', inode: 50, state, localPort: 80, receiveQueue, uid: 0 };
    expect(ids(checkSockets, scene(holding(50), { sockets: sockets([50, tcp]) }))).toEqual(expected);
  });
});

describe('checkFiles()', () => {
  const deleted = (given: Partial<FileFacts>): Task =>
    task({ files: [file(3, '/tmp/x (deleted)', { facts: { ...FILE, ...given } })] });

  it.each([
    [{ allocatedBytes: 1 << 20 }, {}, []],
    [{ allocatedBytes: (1 << 20) + 512 }, {}, ['ghost-too-big:blocks']],
    [{ allocatedBytes: 2 << 20 }, { ghostLimit: 2 << 20 }, ['ghost-too-big:ok']],
    [{ allocatedBytes: 4 << 20 }, { ghostLimit: 2 << 20 }, ['ghost-too-big:blocks']],
    [{ links: 1 }, {}, ['link-remap:blocks']],
    [{ links: 1 }, { linkRemap: true }, ['link-remap:ok']],
    [{ kind: 'directory' as const, allocatedBytes: 4 << 20 }, {}, []],
  ])('judges a deleted file with %j and options %j', (facts, options, expected) => {
    expect(ids(checkFiles, scene(deleted(facts), { options }))).toEqual(expected);
  });

  it('does not take a memfd for a deleted file', () => {
    const memfd = task({ files: [file(3, '/memfd:x (deleted)', { facts: { ...FILE, allocatedBytes: 8 << 20 } })] });
    expect(ids(checkFiles, scene(memfd))).toEqual([]);
  });

  it('reports a mapped file once, however many mappings it has', () => {
    const maps = ['1-2', '2-3'].map((range) => ({
      range,
      shared: false,
      device: '8:1',
      inode: 5,
      path: '/lib/x.so (deleted)',
    }));
    const facts = { ...FILE, allocatedBytes: 2 << 20 };
    const mappedFiles = new Map(maps.map(({ range }) => [range, facts]));
    expect(ids(checkFiles, scene(task({ maps, mappedFiles })))).toEqual(['ghost-too-big:blocks']);
  });

  it.each([
    ['/dev/null', { kind: 'character', major: 1, minor: 3 }, []],
    ['/dev/pts/0', { kind: 'character', major: 136, minor: 0 }, []],
    ['/dev/kvm', { kind: 'character', major: 10, minor: 232 }, ['file-type-device:blocks']],
    ['/dev/autofs', { kind: 'character', major: 10, minor: 235 }, []],
    ['/dev/net/tun', { kind: 'character', major: 10, minor: 200 }, ['tun-outside-netns:blocks']],
    ['/dev/nvidia0', { kind: 'character', major: 195, minor: 0 }, ['file-type-device:blocks']],
    ['/dev/sda', { kind: 'block', major: 8, minor: 0 }, ['file-type-device:blocks']],
  ] as const)('judges the device %s', (link, device, expected) => {
    const facts = { ...FILE, links: 1, ...device };
    expect(ids(checkFiles, scene(task({ files: [file(3, link, { facts })] })))).toEqual(expected);
  });

  it('lets a tun device pass in a network namespace of its own', () => {
    const facts = { ...FILE, links: 1, kind: 'character' as const, major: 10, minor: 200 };
    const inside = task({ files: [file(3, '/dev/net/tun', { facts })], namespaces: { ...OURS, net: 'net:[2]' } });
    expect(ids(checkFiles, scene(inside))).toEqual([]);
  });
});

describe('checkTasks()', () => {
  it.each([
    [{ NSsid: '3' }, ['not-session-leader:blocks']],
    [{ NSpid: '7\t1', NSsid: '7\t1' }, []],
    [{ NSpid: '7\t4', NSsid: '3\t0' }, ['not-session-leader:blocks', 'session-outside-pidns:blocks']],
    [{ TracerPid: '99' }, ['task-traced:blocks']],
    [{ Uid: '1000\t1000\t1000\t1000' }, []],
  ])('judges the status %j', (status, expected) => {
    const merged = new Map([...task().status, ...Object.entries(status)]);
    expect(ids(checkTasks, scene(task({ status: merged as ReadonlyMap<string, string> })))).toEqual(expected);
  });

  it('says when a task may not be inspected, but not of a zombie', () => {
    const namespaces = {};
    expect(ids(checkTasks, scene(task({ namespaces })))).toEqual(['not-inspectable:limits']);
    const stat = { ...task().stat, state: 'Z' };
    expect(ids(checkTasks, scene(task({ namespaces, stat })))).toEqual([]);
  });

  it('blocks on another user without CAP_SYS_RESOURCE only', () => {
    const status = new Map([...task().status, ['Uid', '1000\t1000\t1000\t1000']]) as ReadonlyMap<string, string>;
    const host = { ...scene(task()).host, capabilities: new Set([21]) };
    expect(ids(checkTasks, scene(task({ status }), { host }))).toEqual(['other-uid-rlimit:blocks']);
  });
});

describe('checkTerminals()', () => {
  const pts = (fd: number): OpenFile =>
    file(fd, '/dev/pts/4', { facts: { ...FILE, links: 1, kind: 'character', major: 136, minor: 4 } });

  it('tells a terminal once, not per fd, and accepts shellJob', () => {
    const root = task({ files: [pts(0), pts(1), pts(2)] });
    expect(ids(checkTerminals, scene(root))).toEqual(['tty-master-outside:blocks']);
    expect(ids(checkTerminals, scene(root, { options: { shellJob: true } }))).toEqual(['tty-master-outside:ok']);
  });

  it('is content when the tree holds the master', () => {
    const master = file(5, '/dev/ptmx', { info: 'pos:\t0\ntty-index:\t4\n' });
    expect(ids(checkTerminals, scene(task({ files: [pts(0), master] })))).toEqual([]);
  });
});

describe('checkAnonymous()', () => {
  it.each([
    ['anon_inode:[eventfd]', []],
    ['anon_inode:[eventpoll]', []],
    ['anon_inode:inotify', []],
    ['anon_inode:[io_uring]', ['io-uring:blocks']],
    ['anon_inode:kvm-vcpu:0', ['file-type:blocks']],
    ['anon_inode:bpf-map', ['file-type:blocks']],
    ['anon_inode:[something-new]', ['file-type:blocks']],
    ['/tmp/x', []],
  ])('judges %s', (link, expected) => {
    expect(ids(checkAnonymous, scene(task({ files: [file(3, link)] })))).toEqual(expected);
  });

  it.each([
    ['7', []],
    ['-1', []],
    ['1', ['pidfd-outside-tree:blocks']],
  ])('judges a pidfd of %s', (target, expected) => {
    const pidfd = file(3, 'anon_inode:[pidfd]', { info: `Pid:\t${target}\n` });
    expect(ids(checkAnonymous, scene(task({ files: [pidfd] })))).toEqual(expected);
  });
});

describe('checkNamespaces()', () => {
  it('tells nested namespaces once per task, and nothing about unreadable ones', () => {
    const root = task();
    const nested = task({ pid: 8, namespaces: { ...OURS, pid: 'pid:[2]', ipc: 'ipc:[2]', net: 'net:[2]' } });
    const zombie = task({ pid: 9, namespaces: {} });
    const found = checkNamespaces(scene(root, { tree: { root, tasks: [root, nested, zombie], ownNamespaces: OURS } }));
    expect(found).toMatchObject([{ id: 'nested-namespace', pid: 8 }]);
    expect(found[0]?.title).toContain('(pid, ipc)');
  });

  it('accepts System V memory in an IPC namespace of its own', () => {
    const maps = [{ range: '1-2', shared: true, device: '0:1', inode: 1, path: '/SYSV00000000 (deleted)' }];
    expect(ids(checkNamespaces, scene(task({ maps })))).toEqual(['sysv-shm-outside-ipcns:blocks']);
    expect(ids(checkNamespaces, scene(task({ maps, namespaces: { ...OURS, ipc: 'ipc:[2]' } })))).toEqual([
      'namespaces:note',
    ]);
  });

  it('tells a slave mount, a chroot and the need for a root', () => {
    const mounts = [{ id: 2, parent: 1, root: '/', point: '/sys', type: 'sysfs', source: 'sysfs', master: 9 }];
    const inside = task({ namespaces: { ...OURS, mnt: 'mnt:[2]' }, mounts, root: '/srv/jail' });
    expect(ids(checkNamespaces, scene(inside))).toEqual([
      'namespaces:note',
      'mountinfo-unreadable:blocks',
      'mount-external-master:limits',
      'root-missing:note',
    ]);
  });
});

describe('checkMemory()', () => {
  it.each([
    ['/dev/nvidia0', ['mapping-not-regular:blocks']],
    ['anon_inode:[io_uring]', ['mapping-not-regular:blocks']],
    ['/dev/zero (deleted)', []],
    ['/dev/shm/x', []],
    ['[uprobes]', ['uprobes-mapping:blocks']],
    ['/anon_hugepage (deleted)', ['hugetlb:note']],
  ])('judges a mapping of %s', (path, expected) => {
    const maps = [{ range: '1-2', shared: true, device: '0:1', inode: 1, path }];
    expect(ids(checkMemory, scene(task({ maps })))).toEqual(expected);
  });

  it('notes locked memory', () => {
    expect(ids(checkMemory, scene(task({ memory: new Map([['Locked', '64 kB']]) })))).toEqual(['locked-memory:note']);
  });
});
