import { HINTS } from './hints.js';
import type { Rule } from './rule.js';

/** Tasks, sessions and stopping them. */
export const TASK_RULES: readonly Rule[] = [
  {
    id: 'not-session-leader',
    match: /The root process (?<pid>\d+) is not a session leader/,
    reason: 'Process {pid} is not a session leader',
    remedy: 'Pass shellJob: true (--shell-job) on dump and restore, or start the process with setsid',
    option: HINTS.shellJob,
  },
  {
    id: 'session-outside-pidns',
    match: /A session leader of (?:zombie process )?(?<pid>\d+)\((?<virtual>\d+)\) is outside of its pid namespace/,
    reason: 'Process {pid} (pid {virtual} inside) belongs to a session outside its pid namespace, as after nsenter',
    remedy: 'End that process, or let it start its own session with setsid',
  },
  {
    id: 'session-leader-missing',
    match: /Can't find a session leader for (?<pid>\d+)/,
    reason: 'The session leader of process {pid} is not part of the tree',
    remedy: 'Dump from the session leader on, or start the process with setsid',
  },
  {
    id: 'no-such-process',
    match: /Unable to interrupt task: (?<pid>\d+) \(No such process\)/,
    reason: 'Process {pid} does not exist',
    remedy: 'Check the pid: it is counted in the pid namespace of CRIU',
    anyLevel: true,
    rank: 'symptom',
  },
  {
    id: 'task-traced',
    // A zombie in a tree that dumps well prints the same warning, so it counts only when nothing else explains the failure.
    match: /(?:Unable to interrupt task: |SEIZE )(?<pid>\d+)(?: \(|: can't interrupt task: )Operation not permitted/,
    reason: 'Process {pid} cannot be seized: another tracer holds it, or CRIU has no right to',
    remedy: 'Detach the debugger or strace, or run with CAP_SYS_PTRACE and kernel.yama.ptrace_scope below 3',
    anyLevel: true,
    rank: 'symptom',
  },
  {
    id: 'task-unseizable',
    match: /Unseizable non-zombie (?<pid>\d+) found, state (?<state>\S), err (?<err>\S+)/,
    reason: 'Process {pid} cannot be stopped: its state is {state}, and only a zombie may refuse',
    remedy:
      'In state D it waits inside the kernel (a hanging mount, a vfork parent): end that wait. In state t another tracer holds it: detach it',
  },
  {
    id: 'interrupt-failed',
    match: /Unable to interrupt the process: (?<why>.+)/,
    reason: 'A task cannot be interrupted: {why}',
    remedy: 'Detach the debugger, or run with CAP_SYS_PTRACE',
  },
  {
    id: 'freeze-timeout',
    match: /Timeout reached\. Try to interrupt: (?<pid>\d+)/,
    reason: 'The tasks did not all stop within the time limit',
    remedy: 'Pass a larger timeoutSeconds (--timeout), or end the task in state D',
    option: HINTS.timeoutSeconds,
    rank: 'symptom',
  },
  {
    id: 'freezer-stuck',
    match: /Unable to freeze cgroup (?<path>\S+) \(/,
    reason: 'The cgroup "{path}" did not freeze within the time limit',
    remedy: 'Pass a larger timeoutSeconds (--timeout), or look for a task in state D in that cgroup',
    option: HINTS.timeoutSeconds,
  },
  {
    id: 'freezer-missing',
    match: /Neither a cgroupv1 \(freezer\.state\) or cgroupv2 \(cgroup\.freeze\) control file found/,
    reason: 'The cgroup named by freezeCgroup has no freezer',
    remedy: 'Pass as freezeCgroup (--freeze-cgroup) a cgroup v2 directory or one below the v1 freezer controller',
    option: HINTS.freezeCgroup,
  },
  {
    id: 'other-uid-rlimit',
    match: /Can't get rlimit (?<resource>\d+): Operation not permitted/,
    reason: 'The limits of process {pid} cannot be read: it runs as another user, and CAP_SYS_RESOURCE is missing',
    remedy: 'Run with CAP_SYS_RESOURCE, or run the process as the same user',
    near: ['pid'],
  },
  {
    id: 'sysv-shm-outside-ipcns',
    match: /Task (?<pid>\d+) with SysVIPC shmem map @(?<address>[0-9a-f]+) doesn't live in IPC ns/,
    reason: 'Process {pid} uses System V shared memory (at 0x{address}) of the host',
    remedy: 'Start the tree in an IPC namespace of its own (unshare --ipc), or detach the segment',
  },
  {
    id: 'nested-namespace',
    match: /Can't dump nested (?<type>\w+) namespace for (?<pid>\d+)/,
    reason: 'Process {pid} lives in its own {type} namespace, below the root of the tree',
    remedy: 'Dump from the process that owns that namespace on: CRIU carries {type} namespaces only for a whole tree',
  },
  {
    id: 'pidns-without-init',
    match: /Can't dump a pid namespace without the process init/,
    reason: 'The tree lives in a pid namespace whose process 1 is not part of it',
    remedy:
      'Dump from process 1 of that namespace on, or declare the namespace external: external: ["pid[INODE]:LABEL"]',
    option: HINTS.external,
  },
  {
    id: 'zombie-threads',
    match: /Zombies? (?:with threads are|thread) not supported/,
    reason: 'A zombie task with threads is in the tree',
    remedy: 'Wait until its parent has collected it',
  },
  {
    id: 'thread-stopped',
    match: /Individually stopped threads not supported/,
    reason: 'Single threads of a task are stopped',
    remedy: 'Continue the threads, or stop the whole process',
  },
  {
    id: 'task-32bit',
    match: /Can't dump task (?<pid>\d+) (?:running in 32-bit mode|with LDT descriptors)/,
    reason: 'Process {pid} runs 32-bit code that this CRIU does not carry',
  },
  {
    id: 'pending-sigtrap',
    match: /Can't dump the (?<pid>\d+) thread with a pending SIGTRAP/,
    reason: 'Thread {pid} has a pending breakpoint',
    remedy: 'Detach the debugger and let the thread run on before the dump',
  },
  {
    id: 'pidfd-outside-tree',
    match: /pidfd pid (?<target>\d+) is not a part of process tree/,
    reason: 'Process {pid} holds a pidfd< on fd {fd}> of process {target}, which is outside the tree',
    remedy: 'Close the pidfd before the dump',
    near: ['pid', 'fd'],
  },
  {
    id: 'detach-failed',
    match: /Unable to detach from \d+: No such process/,
    reason: 'A task was gone when CRIU let it go',
    rank: 'consequence',
  },
];
