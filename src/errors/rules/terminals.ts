import { HINTS } from './hints.js';
import type { Rule } from './rule.js';

/** Terminals. */
export const TERMINAL_RULES: readonly Rule[] = [
  {
    id: 'tty-dangling',
    match: /Found dangling tty with sid (?<sid>\d+) pgid (?<pgid>\d+) \((?<path>[^)]*)\) on peer fd (?<fd>\d+)/,
    reason: 'The tree holds the terminal "{path}" of session {sid}, which is outside it',
    remedy:
      'Pass shellJob: true (--shell-job) on dump and restore, or start the process with setsid and its stdio elsewhere',
    option: HINTS.shellJob,
  },
  {
    // Printed to CRIU's stdout, never to the log.
    id: 'tty-shell',
    match: /Task attached to shell terminal/,
    reason: 'The tree is attached to the terminal of a shell outside it',
    remedy:
      'Pass shellJob: true (--shell-job) on dump and restore, or start the process with setsid and its stdio elsewhere',
    option: HINTS.shellJob,
    anyLevel: true,
  },
  {
    id: 'tty-master-outside',
    match: /Found slave peer index (?<pts>\d+) without correspond master peer/,
    reason: 'The terminal /dev/pts/{pts}< on fd {fd} of process {pid}> has its master outside the tree',
    remedy:
      'Pass shellJob: true (--shell-job) on dump and restore (orphanPtsMaster takes its place on restore), or redirect the stdio of the process before the dump',
    option: HINTS.shellJob,
    near: ['pid', 'fd', 'path'],
  },
  {
    id: 'tty-nothing-to-inherit',
    match: /Don't have tty to inherit session from, aborting/,
    reason: 'The checkpoint holds a shell job, and the restore has no terminal on its stdin',
    remedy: 'Restore from a terminal, or pass orphanPtsMaster: true and take the master',
    near: ['pid', 'fd'],
  },
  {
    id: 'session-mismatch',
    match: /Requested sid (?<sid>\d+) doesn't match inherited (?<other>\d+)/,
    reason: 'The shell job had session {sid}, the restore runs in session {other}',
    remedy: 'Pass shellJob (--shell-job) on restore exactly as on dump',
    option: HINTS.shellJob,
  },
  {
    id: 'session-intersects',
    match:
      /Current (?<what>[sg]id) (?<id>\d+) intersects with (?<of>(?:pid|sid of|pgid of|pgid)) \((?<pid>-?\d+)\) in images/,
    reason: 'The session or group {id} of the restore has the number of a task in the images ({pid})',
    remedy: 'Start the restore with setsid, so that it gets another number',
  },
];
