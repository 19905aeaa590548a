// Fields of criu_opts that no option of the API stands for, each with who sets it and why. Flags of CRIU's command line that are
// arguments of a verb, or of the command line alone, are in ARGUMENTS, so that `frazil dump` takes what `criu dump` takes.

import type { Field } from '../row.js';
import type { Operation } from '../types.js';
import { choice, flag, integer, text, type ValueType } from '../values.js';

export interface OwnField {
  /** `frazil`: we set it when it is needed. `never`: it is not sent. */
  readonly setBy: 'frazil' | 'never';
  readonly reason: string;
}

export const OWN_FIELDS = {
  images_dir_fd: { setBy: 'frazil', reason: 'the staging or images directory, opened by the verb' },
  images_dir: {
    setBy: 'never',
    reason: 'CRIU 4.1 fails on it unless the path is a symlink; images_dir_fd does the same',
  },
  pid: { setBy: 'frazil', reason: 'an argument of the verb; without it CRIU would dump Frazil itself' },
  ps: { setBy: 'frazil', reason: "Frazil's own page sink on an inherited socket, or the page server named as target" },
  notify_scripts: { setBy: 'frazil', reason: 'always on: progress, abort and the commit point hang on it' },
  log_to_stderr: { setBy: 'never', reason: 'a failure is explained from the log file, so there always is one' },
  status_fd: {
    setBy: 'never',
    reason: 'obsolete and without effect for a daemon; the notification status-ready says it',
  },
  pidfd_store_sk: {
    setBy: 'never',
    reason: 'for iterations within one process, which no verb makes yet; across processes CRIU compares start times',
  },
  manage_cgroups: { setBy: 'never', reason: 'the older form of manage_cgroups_mode' },
  veths: { setBy: 'never', reason: 'deprecated: external veth[IN]:OUT' },
  unix_sk_ino: { setBy: 'never', reason: 'deprecated: external unix[INO]' },
} as const satisfies Partial<Record<Field, OwnField>>;

export interface ArgumentRow {
  readonly flags: readonly string[];
  readonly type: ValueType<unknown>;
  readonly text: string;
  readonly operations: readonly Operation[];
}

const ALL = ['dump', 'preDump', 'restore', 'pageServer', 'check', 'cpuinfo'] as const;
const WITH_IMAGES = ['dump', 'preDump', 'restore', 'pageServer', 'cpuinfo'] as const;
const SERVERS = ['dump', 'preDump', 'pageServer'] as const;
const PORT_MAX = 65_535;
const FD_MAX = 2 ** 31 - 1;
const PID_MAX = 2 ** 22;

export const ARGUMENTS = {
  tree: {
    flags: ['--tree', '-t'],
    type: integer('PID', 1, PID_MAX),
    text: 'The root of the tree',
    operations: ['dump', 'preDump'],
  },
  imagesDir: {
    flags: ['--images-dir', '-D'],
    type: text('DIR'),
    text: 'The images directory',
    operations: WITH_IMAGES,
  },
  pidfile: {
    flags: ['--pidfile'],
    type: text('FILE'),
    text: 'Write the pid of the restored root, or of the page server, into this file',
    operations: ['restore', 'pageServer'],
  },
  restoreDetached: {
    flags: ['--restore-detached', '-d'],
    type: flag,
    text: 'Return when the tree runs, instead of when it ends',
    operations: ['restore'],
  },
  daemon: { flags: ['--daemon', '-d'], type: flag, text: 'Return when the server listens', operations: ['pageServer'] },
  pageServer: {
    flags: ['--page-server'],
    type: flag,
    text: 'Send the pages to a page server',
    operations: ['dump', 'preDump'],
  },
  address: { flags: ['--address'], type: text('ADDR'), text: 'Address of the page server', operations: SERVERS },
  port: { flags: ['--port'], type: integer('PORT', 0, PORT_MAX), text: 'Port of the page server', operations: SERVERS },
  psSocket: {
    flags: ['--ps-socket'],
    type: integer('FD', 0, FD_MAX),
    text: 'An inherited socket instead of address and port',
    operations: SERVERS,
  },
  statusFd: {
    flags: ['--status-fd'],
    type: integer('FD', 0, FD_MAX),
    text: 'Write one zero byte here when ready to serve',
    operations: ['dump', 'pageServer'],
  },
  stream: {
    flags: ['--stream'],
    type: flag,
    text: 'Images through criu-image-streamer; not over RPC, so only CRIU itself does it',
    operations: ['dump', 'restore'],
  },
  extra: { flags: ['--extra'], type: flag, text: 'Check extra kernel features too', operations: ['check'] },
  experimental: {
    flags: ['--experimental'],
    type: flag,
    text: 'Check experimental kernel features too',
    operations: ['check'],
  },
  all: { flags: ['--all'], type: flag, text: 'Both', operations: ['check'] },
  feature: { flags: ['--feature'], type: text('FEATURE'), text: 'Check this feature only', operations: ['check'] },
  cpuinfoAction: {
    flags: [],
    type: choice(['dump', 'check']),
    text: 'Write cpuinfo.img, or compare with it',
    operations: ['cpuinfo'],
  },
  version: { flags: ['--version', '-V'], type: flag, text: 'Show the version', operations: ALL },
  help: { flags: ['--help', '-h'], type: flag, text: 'Show this text', operations: ALL },
} as const satisfies Record<string, ArgumentRow>;
