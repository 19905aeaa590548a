import { HINTS } from './hints.js';
import type { Rule } from './rule.js';

/** What goes wrong while tasks are rebuilt. */
export const RESTORING_RULES: readonly Rule[] = [
  {
    id: 'pid-in-use',
    match: /Can't fork for (?<pid>\d+): File exists/,
    reason: 'Pid {pid} is in use on this host (a zombie or a session with that number counts)',
    remedy: 'End that process and wait until it is reaped, or restore in a pid namespace of its own',
  },
  {
    id: 'fork-failed',
    match: /Can't fork for (?<pid>\d+): (?<why>.+)/,
    reason: 'Process {pid} cannot be created: {why}',
  },
  {
    id: 'thread-id-in-use',
    match: /Unable to create a thread: -17/,
    reason: 'A thread id of process {pid} is in use on this host',
    remedy: 'Restore in a pid namespace of its own',
    near: ['pid'],
  },
  {
    id: 'file-missing',
    match: /Can't open file (?<path>.+) on restore: No such file or directory/,
    reason: 'The file "{path}" of process {pid}< (fd {fd})> does not exist here',
    remedy: 'Bring the file to the same path, or restore with the root (--root) that holds it',
    near: ['pid', 'fd'],
  },
  {
    id: 'file-unopenable',
    match: /Can't open file (?<path>.+) on restore: (?<why>.+)/,
    reason: 'The file "{path}" of process {pid}< (fd {fd})> cannot be opened: {why}',
    near: ['pid', 'fd'],
  },
  {
    id: 'file-size',
    match: /File (?<path>.+) has bad size (?<got>\d+) \(expect (?<wanted>\d+)\)/,
    reason: 'The file "{path}" of process {pid}< (fd {fd})> has {got} bytes, but had {wanted} when dumped',
    remedy: 'Bring back the file as it was at the dump, or give the task another one with inheritFd',
    near: ['pid', 'fd'],
  },
  {
    id: 'file-build-id',
    match: /File (?<path>.+) has bad build-ID/,
    reason: 'The program or library "{path}" of process {pid} is another build than when dumped',
    remedy:
      'Install the same package version; fileValidation: "filesize" (--file-validation filesize) relaxes the check at your risk',
    option: HINTS.fileValidation,
    near: ['pid', 'fd'],
  },
  {
    id: 'file-mode',
    match: /File (?<path>.+) has bad mode 0?(?<got>\d+) \(expect 0?(?<wanted>\d+)\)/,
    reason: 'The file "{path}" of process {pid}< (fd {fd})> has mode {got}, but had {wanted} when dumped',
    remedy: 'Restore the mode with chmod, or pass skipFileRwxCheck: true (--skip-file-rwx-check)',
    option: HINTS.skipFileRwxCheck,
    near: ['pid', 'fd'],
  },
  {
    id: 'pidns-required',
    match: /This process tree can only be restored in a new pid namespace/,
    reason: 'The tree has to be restored in a new pid namespace',
    remedy: 'Restore with the options of the dump, or dump the whole pid namespace from its process 1 on',
  },
  {
    id: 'pidns-init-missing',
    match: /Can't restore pid namespace without the process init/,
    reason: 'The checkpoint has a pid namespace, but not its process 1',
    remedy: 'Dump from process 1 of the namespace on, or declare it external: external: ["pid[INODE]:LABEL"]',
    option: HINTS.external,
  },
  {
    id: 'lsm-mismatch',
    match: /(?:mismatched lsm types and lsm profile specified|(?<lsm>apparmor|selinux) LSM specified but)/,
    reason: 'The security module< {lsm}> of the checkpoint is not the one of this host',
    remedy: 'Pass lsmProfile (--lsm-profile) with a profile of this host, or restore where the module is the same',
    option: HINTS.lsmProfile,
  },
  {
    id: 'script-refused',
    match: /RPC client reported script error/,
    reason: 'The caller refused a notification',
    rank: 'symptom',
  },
  {
    id: 'script-failed',
    match: /Script (?<path>.+) exited with (?<status>-?\d+)/,
    reason: 'The action script "{path}" failed',
    remedy: 'Run the script by hand with CRTOOLS_SCRIPT_ACTION set, and read its output',
  },
  {
    id: 'scripts-failed',
    match: /One of more action scripts failed/,
    reason: 'An action script failed, or the caller refused a notification',
    rank: 'symptom',
  },
  {
    id: 'task-killed',
    match: /(?<pid>\d+) killed by signal (?<signal>\d+): (?<name>.+)/,
    reason: 'Process {pid} was killed by signal {signal} ({name}) while being restored',
    rank: 'symptom',
  },
  {
    id: 'task-exited',
    match: /(?<pid>\d+) exited, status=(?<status>\d+)/,
    reason: 'Process {pid} gave up while being restored',
    rank: 'symptom',
  },
  {
    id: 'late-failure',
    match: /Killing processes because of failure on restore/,
    reason: 'The restore failed after the network was unlocked: data on its connections may be lost',
    rank: 'symptom',
  },
  {
    id: 'fd-failed',
    match: /Unable to open fd=(?<fd>\d+) id=/,
    reason: 'fd {fd} cannot be restored',
    rank: 'consequence',
  },
  { id: 'vma-failed', match: /`- Can't open vma/, reason: 'A mapping cannot be restored', rank: 'consequence' },
];
