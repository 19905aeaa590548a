// The machine: cgroups, limits, tools, rights. Reads, then judges by small pure functions.

import { constants } from 'node:fs';
import { access, statfs } from 'node:fs/promises';
import { delimiter } from 'node:path';
import { judgeCapabilities } from './capabilities.js';
import type { Finding } from './finding.js';
import type { KernelReport } from './kernel.js';
import { namesIn, textOf } from './proc-files.js';
import { parseCapabilities, parseFields, parseMountinfo } from './proc-text.js';

export interface HostFacts {
  readonly capabilities: ReadonlySet<number>;
  readonly cgroup: 'v1' | 'v2' | 'hybrid' | 'none';
  readonly limits: HostLimits;
  readonly iptables: boolean;
  readonly ptraceScope?: number;
  readonly unprivilegedUserfaultfd?: number;
  readonly runIsTmpfs: boolean;
  readonly availableBytes: number;
}

export interface HostLimits {
  readonly pipeMaxBytes: number;
  readonly pipeUserPagesSoft: number;
  readonly openFiles: number;
  /** Whether exact pids can be asked for the old way, through /proc/sys/kernel/ns_last_pid. */
  readonly lastPidWritable: boolean;
}

/** Lazy dump fills pipes of this size. */
const PIPE_BYTES_WANTED = 4 * 1024 ** 2;
/** CRIU holds several fds per task and pipe; below this a tree with some hundred fds runs into the limit. */
const OPEN_FILES_WANTED = 1024;
const KIBIBYTE = 1024;
const TMPFS_MAGIC = 0x01021994;

export async function readHost(): Promise<HostFacts> {
  const status = parseFields((await textOf('/proc/self/status')) ?? '');
  const ptraceScope = await numberIn('/proc/sys/kernel/yama/ptrace_scope');
  const unprivilegedUserfaultfd = await numberIn('/proc/sys/vm/unprivileged_userfaultfd');
  const memory = parseFields((await textOf('/proc/meminfo')) ?? '');
  return {
    capabilities: parseCapabilities(status.get('CapEff') ?? ''),
    cgroup: cgroupLayout(parseMountinfo((await textOf('/proc/self/mountinfo')) ?? '').map(({ type }) => type)),
    limits: await readLimits(),
    iptables: await hasProgram('iptables-restore'),
    ...(ptraceScope === undefined ? {} : { ptraceScope }),
    ...(unprivilegedUserfaultfd === undefined ? {} : { unprivilegedUserfaultfd }),
    runIsTmpfs: (await statfs('/run').catch(() => undefined))?.type === TMPFS_MAGIC,
    availableBytes: Number.parseInt(memory.get('MemAvailable') ?? '0', 10) * KIBIBYTE,
  };
}

async function readLimits(): Promise<HostLimits> {
  const files = /^Max open files\s+(\d+|unlimited)/m.exec((await textOf('/proc/self/limits')) ?? '')?.[1];
  const writable = await access('/proc/sys/kernel/ns_last_pid', constants.W_OK).then(
    () => true,
    () => false,
  );
  return {
    pipeMaxBytes: (await numberIn('/proc/sys/fs/pipe-max-size')) ?? 0,
    pipeUserPagesSoft: (await numberIn('/proc/sys/fs/pipe-user-pages-soft')) ?? 0,
    openFiles: files === 'unlimited' ? Number.MAX_SAFE_INTEGER : Number(files ?? 0),
    lastPidWritable: writable,
  };
}

/** v2 alone, v1 alone, or v1 with a cgroup2 mount beside it. */
export function cgroupLayout(types: readonly string[]): HostFacts['cgroup'] {
  const [v1, v2] = [types.includes('cgroup'), types.includes('cgroup2')];
  if (v1) return v2 ? 'hybrid' : 'v1';
  return v2 ? 'v2' : 'none';
}

/** Findings about the machine, in the order of facts. */
export function judgeHost(facts: HostFacts, kernel: KernelReport): Finding[] {
  return [
    ...judgeKernel(kernel),
    ...judgeCapabilities(facts.capabilities).findings,
    ...judgeLimits(facts),
    ...judgeTools(facts),
  ];
}

function judgeKernel({ softDirty, userfaultfd, checkpointRestore, pidfdGetfd, release }: KernelReport): Finding[] {
  return [
    check(
      checkpointRestore !== false,
      {
        id: 'kernel-checkpoint-restore',
        severity: 'blocks',
        title: `Kernel ${release} was built without CONFIG_CHECKPOINT_RESTORE`,
        neededFor: 'dump and restore',
        remedy: 'Boot a kernel with CONFIG_CHECKPOINT_RESTORE=y',
      },
      `Kernel ${release}`,
    ),
    check(
      softDirty,
      {
        id: 'no-soft-dirty',
        severity: 'limits',
        title: 'The kernel does not track changed memory (CONFIG_MEM_SOFT_DIRTY is off)',
        neededFor: 'pre-dump, trackMem (--track-mem)',
        remedy: 'Boot a kernel with CONFIG_MEM_SOFT_DIRTY=y; Debian and Ubuntu have it on x86',
      },
      'The kernel tracks changed memory (soft-dirty)',
    ),
    check(
      userfaultfd,
      {
        id: 'no-userfaultfd',
        severity: 'limits',
        title: 'The kernel has no userfaultfd',
        neededFor: 'lazyPages (--lazy-pages)',
        remedy: 'Boot a kernel with CONFIG_USERFAULTFD=y',
      },
      'The kernel has userfaultfd',
    ),
    check(
      pidfdGetfd,
      {
        id: 'no-pidfd-getfd',
        severity: 'limits',
        title: 'The kernel is older than 5.6 and lacks pidfd_getfd',
        neededFor: 'exact detection of reused pids between iterations',
      },
      'The kernel has pidfd_getfd',
    ),
  ];
}

function judgeLimits({ limits, ptraceScope, availableBytes, capabilities }: HostFacts): Finding[] {
  return [
    check(
      limits.pipeMaxBytes >= PIPE_BYTES_WANTED,
      {
        id: 'pipe-limit',
        severity: 'limits',
        title: `Pipes may have at most ${limits.pipeMaxBytes} bytes, wanted ${PIPE_BYTES_WANTED}`,
        neededFor: 'lazy dump (dump --lazy-pages)',
        remedy: `Set sysctl fs.pipe-max-size=${PIPE_BYTES_WANTED}`,
      },
      `Pipes may have ${limits.pipeMaxBytes} bytes`,
    ),
    check(
      limits.openFiles >= OPEN_FILES_WANTED,
      {
        id: 'open-files',
        severity: 'limits',
        title: `At most ${limits.openFiles} files may be open`,
        neededFor: 'trees with many files',
        remedy: `Raise the limit: ulimit -n ${OPEN_FILES_WANTED} or more`,
      },
      `${limits.openFiles} files may be open`,
    ),
    check(
      (ptraceScope ?? 0) < 3 && ((ptraceScope ?? 0) < 2 || capabilities.has(19)),
      {
        id: 'ptrace-scope',
        severity: 'blocks',
        title: `kernel.yama.ptrace_scope is ${ptraceScope}: tasks cannot be seized`,
        neededFor: 'dump',
        remedy: 'Set sysctl kernel.yama.ptrace_scope=1 (3 stays until a reboot)',
      },
      'Tasks may be seized',
    ),
    {
      id: 'memory-available',
      severity: 'note',
      title: `${Math.floor(availableBytes / KIBIBYTE ** 2)} MiB of memory are available to absorb a dump`,
      neededFor: 'dump into memory',
    },
  ];
}

function judgeTools({ iptables, cgroup, runIsTmpfs }: HostFacts): Finding[] {
  return [
    check(
      iptables,
      {
        id: 'iptables-missing',
        severity: 'note',
        title: 'iptables is not installed: Frazil locks the network with nftables',
        neededFor: 'tcpEstablished, network namespaces',
      },
      'iptables is installed',
    ),
    {
      id: 'cgroup-layout',
      severity: 'note',
      title: cgroup === 'none' ? 'No cgroup file system is mounted' : `Cgroups: ${cgroup}`,
      neededFor: 'freezeCgroup, manageCgroups, containers',
    },
    check(
      runIsTmpfs,
      {
        id: 'run-not-tmpfs',
        severity: 'note',
        title:
          '/run is not a tmpfs: CRIU does not keep there what it has found out about the kernel. For dumps and restores Frazil keeps it in /dev/shm',
        neededFor: 'some milliseconds per operation',
      },
      '/run is a tmpfs',
    ),
  ];
}

function check(passed: boolean, finding: Finding, good: string): Finding {
  if (!passed) return finding;
  return { id: finding.id, severity: 'ok', title: good, neededFor: finding.neededFor };
}

async function hasProgram(name: string): Promise<boolean> {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin'];
  for (const folder of new Set(folders)) if ((await namesIn(folder)).includes(name)) return true;
  return false;
}

async function numberIn(path: string): Promise<number | undefined> {
  const text = await textOf(path);
  return text === undefined ? undefined : Number.parseInt(text, 10);
}
