// Options about running CRIU: logs, directories, config files, and what only its command line knows.

import { acted, argumentLine, configured, rpc, switchLine } from '../row.js';
import { bareFileName, choice, flag, flagOff, list, logLevel, text } from '../values.js';

const ALL = ['dump', 'preDump', 'restore', 'pageServer', 'check', 'cpuinfo'] as const;
const DUMP_AND_RESTORE = ['dump', 'restore'] as const;

export const RUNNING = {
  workDir: acted(
    {
      flags: ['--work-dir', '-W'],
      type: text('DIR'),
      default: 'the images directory',
      text: "Where CRIU's log, statistics and pid files lie",
      operations: ALL,
    },
    'work_dir_fd',
  ),
  logFile: rpc('log_file', {
    flags: ['--log-file', '-o'],
    type: bareFileName,
    default: 'criu.log',
    text: "Name of CRIU's log in the work directory",
    flagText: 'Path of the log, from the work directory; without it, warnings and errors go to stderr',
    operations: ALL,
  }),
  logLevel: rpc('log_level', {
    flags: ['--verbosity', '-v'],
    type: logLevel,
    default: '2',
    text: '1 errors, 2 warnings, 3 information and timestamps, 4 debug',
    operations: ALL,
    quirk: 'CRIU applies 2 even when nothing is sent, over any config file',
  }),
  logPid: configured({
    flags: ['--log-pid'],
    type: flag,
    default: 'one file',
    text: 'One log file per restored process, FILE.pid',
    operations: ALL,
    config: switchLine('log-pid'),
  }),
  displayStats: rpc('display_stats', {
    flags: ['--display-stats'],
    type: flag,
    default: 'off',
    text: 'Print statistics to the standard output of CRIU',
    flagText: "Print CRIU's statistics",
    operations: DUMP_AND_RESTORE,
  }),
  config: acted(
    {
      flags: ['--config'],
      type: text('FILE'),
      default: 'none',
      text: "A file of CRIU options, one a line; it overrides the request's",
      flagText: 'A file of options, one a line without dashes; the command line wins over it',
      operations: ALL,
      quirk: 'can name scripts that CRIU runs as root; CRIU itself ignores a missing file, Frazil refuses it',
    },
    'config_file',
  ),
  defaultConfig: acted({
    flags: ['--no-default-config'],
    type: flagOff,
    default: 'read',
    text: 'Whether /etc/criu/default.conf and $HOME/.criu/default.conf are read first, as CRIU does',
    flagText: 'Do not read /etc/criu/default.conf and $HOME/.criu/default.conf',
    operations: ALL,
    quirk: '$CRIU_CONFIG_FILE is read in any case',
  }),
  unprivileged: rpc('unprivileged', {
    flags: ['--unprivileged'],
    type: flag,
    default: 'off',
    text: 'Accept the limits of running without root',
    operations: ALL,
  }),
  libdir: configured({
    flags: ['--libdir', '-L'],
    type: text('PATH'),
    default: '/usr/lib/criu',
    text: "Directory of CRIU's plugins",
    operations: ALL,
    config: (path) => [argumentLine('libdir', path)],
  }),
  deprecated: configured({
    flags: ['--deprecated'],
    type: flag,
    default: 'deprecated options are refused',
    text: 'Allow deprecated CRIU options',
    operations: ALL,
    config: switchLine('deprecated'),
  }),
  actionScript: configured({
    flags: ['--action-script'],
    type: list(text('FILE')),
    default: 'none',
    text: 'A script that CRIU runs at every notify script, after our own notification',
    flagText: 'A script that CRIU runs at every notify script',
    operations: DUMP_AND_RESTORE,
    config: (paths) => paths.map((path) => argumentLine('action-script', path)),
  }),
  ghostFiemap: configured({
    flags: ['--ghost-fiemap'],
    type: flag,
    default: 'SEEK_HOLE',
    text: 'Find the data of deleted files by fiemap',
    operations: ['dump'],
    config: switchLine('ghost-fiemap'),
  }),
  fileValidation: configured({
    flags: ['--file-validation'],
    type: choice(['filesize', 'buildid']),
    default: 'buildid',
    text: 'How a restore knows that a file is still the same',
    operations: DUMP_AND_RESTORE,
    config: (method) => [argumentLine('file-validation', method)],
  }),
  allowUprobes: configured({
    flags: ['--allow-uprobes'],
    type: flag,
    default: 'such a tree is refused',
    text: 'Allow uprobes areas in the address space',
    operations: DUMP_AND_RESTORE,
    since: { major: 4, minor: 2 },
    config: switchLine('allow-uprobes'),
  }),
} as const;
