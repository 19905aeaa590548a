// Dumps that CRIU refuses, each provoked on a real process: what the process does, what the refusal must name, and what the
// doctor must have said before. `{dir}` in a program is a folder of the test, which also holds the file that says it is ready.

import type { ChosenOptions } from '../../src/criu/doctor/finding.js';

export interface RefusedCase {
  readonly name: string;
  /** Python. */
  readonly program: string;
  /** Options of the dump. */
  readonly options?: ChosenOptions;
  /** Id of the rule that must decide. */
  readonly rule: string;
  /** Id of the doctor's finding, where its name differs. */
  readonly finding?: string;
  readonly fd?: number;
  /** `{dir}` as above; checked as the end of the path. */
  readonly path?: string;
  /** The option that helps; the doctor must turn to 'ok' with it, and the dump must pass. */
  readonly helps?: ChosenOptions;
  readonly optionFlag?: string;
  /** Sets up what must be outside the tree: 'ptrace', 'terminal', 'socketpair', 'no-session'. */
  readonly outside?: 'ptrace' | 'terminal' | 'socketpair' | 'no-session';
}

const TCP =
  'import socket\nl=socket.socket();l.bind(("127.0.0.1",0));l.listen();c=socket.create_connection(l.getsockname())';
const SYSCALL = 'import ctypes\nlibc=ctypes.CDLL(None)';

export const REFUSED: readonly RefusedCase[] = [
  {
    name: 'a process in the session of another',
    program: '',
    outside: 'no-session',
    rule: 'not-session-leader',
    helps: { shellJob: true },
    optionFlag: '--shell-job',
  },
  {
    name: 'a terminal whose master is outside',
    program: '',
    outside: 'terminal',
    rule: 'tty-master-outside',
    fd: 0,
    path: '/dev/pts/',
    optionFlag: '--shell-job',
  },
  {
    name: 'an established TCP connection',
    program: `${TCP}\ns=l.accept()`,
    rule: 'tcp-established',
    fd: 4,
    helps: { tcpEstablished: true },
    optionFlag: '--tcp-established',
  },
  {
    name: 'a connection not accepted yet',
    program: TCP,
    options: { tcpEstablished: true },
    rule: 'tcp-in-flight',
    fd: 3,
    helps: { tcpEstablished: true, skipInFlight: true },
    optionFlag: '--skip-in-flight',
  },
  {
    name: 'a connection to be locked without iptables',
    program: `${TCP}\ns=l.accept()`,
    options: { tcpEstablished: true, networkLock: 'iptables' },
    rule: 'network-lock-iptables',
    helps: { tcpEstablished: true, networkLock: 'nftables' },
    optionFlag: '--network-lock',
  },
  {
    name: 'a unix socket whose peer is outside',
    program: '',
    outside: 'socketpair',
    rule: 'unix-external',
    fd: 0,
    optionFlag: '--ext-unix-sk',
  },
  {
    name: 'a deleted file over the ghost limit',
    program: 'import os\nf=open("{dir}/big","wb");f.write(b"x"*(4<<20));f.flush();os.unlink("{dir}/big")',
    rule: 'ghost-too-big',
    fd: 3,
    path: '{dir}/big',
    helps: { ghostLimit: 8 << 20 },
    optionFlag: '--ghost-limit',
  },
  {
    name: 'a deleted name of a file with other links',
    program:
      'import os\nf=open("{dir}/one","w");f.write("x");f.flush();os.link("{dir}/one","{dir}/two");os.unlink("{dir}/one")',
    rule: 'link-remap',
    fd: 3,
    path: '{dir}/one',
    helps: { linkRemap: true },
    optionFlag: '--link-remap',
  },
  {
    name: 'a file lock (flock)',
    program: 'import fcntl\nf=open("{dir}/lock","w");fcntl.flock(f,fcntl.LOCK_EX)',
    rule: 'file-locks',
    fd: 3,
    path: '{dir}/lock',
    helps: { fileLocks: true },
    optionFlag: '--file-locks',
  },
  {
    name: 'a file lock (fcntl)',
    program: 'import fcntl\nf=open("{dir}/lock","w");fcntl.lockf(f,fcntl.LOCK_EX)',
    rule: 'file-locks',
    fd: 3,
    path: '{dir}/lock',
    helps: { fileLocks: true },
    optionFlag: '--file-locks',
  },
  {
    name: 'an io_uring',
    program: `${SYSCALL}\nb=(ctypes.c_char*256)()\nassert libc.syscall(425,4,b)>0`,
    rule: 'fd-not-passable',
    finding: 'io-uring',
  },
  {
    name: 'a userfaultfd',
    program: `${SYSCALL}\nassert libc.syscall(323,0)>0`,
    rule: 'file-type',
    fd: 3,
    path: 'anon_inode:[userfaultfd]',
  },
  {
    name: 'a perf event',
    program: `${SYSCALL}\nimport struct\na=ctypes.create_string_buffer(struct.pack("IIQ",1,128,0)+b"\\0"*112,128)\nassert libc.syscall(298,a,0,-1,-1,0)>0`,
    rule: 'file-type',
    fd: 3,
    path: 'anon_inode:[perf_event]',
  },
  { name: 'a device', program: 'f=open("/dev/fuse","rb",buffering=0)', rule: 'file-type-device', fd: 3 },
  {
    name: 'a tun device of the host',
    program: 'f=open("/dev/net/tun","rb",buffering=0)',
    rule: 'tun-outside-netns',
    fd: 3,
  },
  {
    name: 'System V shared memory of the host',
    program: `${SYSCALL}\nlibc.shmat.restype=ctypes.c_void_p\ni=libc.shmget(0,65536,0o1600);libc.shmat(i,None,0);libc.shmctl(i,0,None)`,
    rule: 'sysv-shm-outside-ipcns',
  },
  {
    name: 'a message queue',
    program:
      'import ctypes,os\nl=ctypes.CDLL("librt.so.1")\nname=b"/frazil-%d"%os.getpid()\nassert l.mq_open(name,0o102,0o600,None)>0\nl.mq_unlink(name)',
    rule: 'file-mount-unknown',
    fd: 3,
  },
  {
    name: 'a pidfd of a process outside',
    program: 'import os\nfd=os.pidfd_open(1)',
    rule: 'pidfd-outside-tree',
    fd: 3,
  },
  { name: 'a process that is being traced', program: '', outside: 'ptrace', rule: 'task-traced' },
  {
    name: 'a process of another user',
    program: 'import os\nos.setgid(65534);os.setuid(65534)',
    rule: 'other-uid-rlimit',
  },
  {
    name: 'a program on a mount of the namespace that it left',
    program: `${SYSCALL}\nassert libc.unshare(0x20000)==0\nlibc.mount(b"none",b"/",None,0x44000,None)`,
    rule: 'mapping-mount-unknown',
  },
  {
    name: 'a nested pid namespace',
    program: `${SYSCALL}\nimport os\nassert libc.unshare(0x20000000)==0\nif os.fork()==0: wait()`,
    rule: 'nested-namespace',
  },
  {
    name: 'a nested ipc namespace',
    program: `${SYSCALL}\nimport os\nif os.fork()==0:\n  assert libc.unshare(0x8000000)==0\n  wait()\nimport time;time.sleep(0.3)`,
    rule: 'nested-namespace',
  },
];
