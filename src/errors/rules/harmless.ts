// Lines at error or warning level that CRIU prints in runs that succeed. Tools that show "the first Error line" show these.
// The reason says why each may be ignored; explain() lists them so that nobody chases them.

import type { Rule } from './rule.js';

const harmless = (id: string, match: RegExp, reason: string): Rule => ({ id, match, reason, rank: 'harmless' });

export const HARMLESS_RULES: readonly Rule[] = [
  harmless(
    'nofile-limit',
    /Can't setup RLIMIT_NOFILE for self/,
    'CRIU wanted a higher limit of open files and lacks CAP_SYS_RESOURCE: matters only for trees with very many files',
  ),
  harmless(
    'kdat-cache',
    /Can't keep kdat cache on non-tempfs/,
    'CRIU asks the kernel again each time instead of caching: some milliseconds',
  ),
  harmless(
    'nft-table-absent',
    /Could not process rule: No such file or directory/,
    'nft deletes the lock table on the way out, and there was none',
  ),
  harmless('not-fatal', /This is not fatal/, 'CRIU says itself that it is not fatal'),
  harmless(
    'inotify-events',
    /inotify events will be dropped/,
    'Events not yet read are lost; the watch itself is restored',
  ),
  harmless(
    'interrupted-syscall',
    /Will restore \d+ with interrupted system call/,
    'The task was sleeping in the kernel; it continues',
  ),
  harmless('stopped-tasks', /Stopped tasks are not supported/, 'Concerns pre-dump only'),
  harmless('swrk-closed', /Can't recv request: Connection reset by peer/, 'The session was closed by us, as usual'),
  harmless('helper-exited', /exited, status=\d+$/, 'Exit of a helper program; the line after it says what it was for'),
  harmless('ghost-link', /Can't link \S+\.ghost -> /, 'CRIU tries another way to bring the deleted file back'),
];

export const CONSEQUENCE_RULES: readonly Rule[] = [
  {
    id: 'failed-step',
    match:
      /^(?:Dumping FAILED|Restoring FAILED|Pre-dumping FAILED|Dump \w+ \(pid: \d+\) failed|Collect \w+ \(pid: \d+\) failed|Can't make \w+ id|Can't open core data|Couldn't open image dir|Aborting restore due to|Can't open file \S+: No such file)/,
    reason: 'Follows from the failure above it',
    rank: 'consequence',
  },
  {
    id: 'parasite-reply',
    match: /(?:Can't retrieve FDs from socket|Message reply from daemon is trimmed)/,
    reason: 'Follows from the failure above it',
    rank: 'consequence',
  },
];
