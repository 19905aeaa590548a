// crun 1.8 and newer.

import { each, on, text } from '../flags.js';
import type { Runtime } from '../runtime.js';

const PROCESS = { pidFile: text('--pid-file'), consoleSocket: text('--console-socket') } as const;
const CREATE = {
  ...PROCESS,
  bundle: text('--bundle'),
  noPivot: on('--no-pivot'),
  noNewKeyring: on('--no-new-keyring'),
} as const;
const CRIU = {
  imagesDirectory: text('--image-path'),
  workDirectory: text('--work-path'),
  tcpEstablished: on('--tcp-established'),
  externalUnixConnections: on('--ext-unix-sk'),
  shellJob: on('--shell-job'),
  fileLocks: on('--file-locks'),
  manageCgroupsMode: text('--manage-cgroups-mode'),
  emptyNs: undefined,
  autoDedup: undefined,
  lazyPages: undefined,
} as const;

export const CRUN: Runtime = {
  name: 'crun',
  defaultRoot: '/run/crun',
  stateFile: 'status',
  global: { root: text('--root'), systemdCgroup: on('--systemd-cgroup'), debug: on('--debug') },
  create: CREATE,
  run: { ...CREATE, detach: on('--detach'), noSubreaper: on('--no-subreaper'), keep: on('--keep') },
  exec: {
    ...PROCESS,
    detach: on('--detach'),
    cwd: text('--cwd'),
    env: each('--env'),
    user: text('--user'),
    additionalGids: undefined,
    tty: on('--tty'),
    noNewPrivs: on('--no-new-privs'),
    capabilities: each('--cap'),
    apparmor: text('--apparmor'),
    processLabel: text('--process-label'),
    ignorePaused: undefined,
  },
  delete: { force: on('--force') },
  kill: { all: on('--all') },
  checkpoint: {
    ...CRIU,
    parentImage: text('--parent-path'),
    leaveRunning: on('--leave-running'),
    preDump: on('--pre-dump'),
    pageServer: undefined,
    tcpSkipInFlight: undefined,
    linkRemap: undefined,
    networkLock: text('--network-lock'),
  },
  restore: {
    ...CRIU,
    ...PROCESS,
    bundle: text('--bundle'),
    detach: on('--detach'),
    noPivot: undefined,
    noSubreaper: undefined,
    tcpClose: on('--tcp-close'),
    lsmProfile: text('--lsm-profile'),
    lsmMountContext: text('--lsm-mount-context'),
  },
  // Built without it, `+CRIU` is not among the words of its version.
  canCheckpoint: ({ version }) => /\+CRIU\b/.test(version),
};
