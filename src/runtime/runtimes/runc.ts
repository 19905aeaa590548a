// runc 1.1 and newer.

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
  emptyNs: each('--empty-ns'),
  autoDedup: on('--auto-dedup'),
  lazyPages: on('--lazy-pages'),
} as const;

export const RUNC: Runtime = {
  name: 'runc',
  defaultRoot: '/run/runc',
  stateFile: 'state.json',
  global: { root: text('--root'), systemdCgroup: on('--systemd-cgroup'), debug: on('--debug') },
  create: CREATE,
  run: { ...CREATE, detach: on('--detach'), noSubreaper: on('--no-subreaper'), keep: on('--keep') },
  exec: {
    ...PROCESS,
    detach: on('--detach'),
    cwd: text('--cwd'),
    env: each('--env'),
    user: text('--user'),
    additionalGids: each('--additional-gids'),
    tty: on('--tty'),
    noNewPrivs: on('--no-new-privs'),
    capabilities: each('--cap'),
    apparmor: text('--apparmor'),
    processLabel: text('--process-label'),
    ignorePaused: on('--ignore-paused'),
  },
  delete: { force: on('--force') },
  kill: { all: on('--all') },
  checkpoint: {
    ...CRIU,
    parentImage: text('--parent-path'),
    leaveRunning: on('--leave-running'),
    preDump: on('--pre-dump'),
    pageServer: ({ address, port }) => ['--page-server', `${address.includes(':') ? `[${address}]` : address}:${port}`],
    tcpSkipInFlight: on('--tcp-skip-in-flight'),
    linkRemap: on('--link-remap'),
    // Frazil says it to CRIU itself where nobody else does.
    networkLock: undefined,
  },
  restore: {
    ...CRIU,
    ...PROCESS,
    bundle: text('--bundle'),
    detach: on('--detach'),
    noPivot: on('--no-pivot'),
    noSubreaper: on('--no-subreaper'),
    tcpClose: undefined,
    lsmProfile: text('--lsm-profile'),
    lsmMountContext: text('--lsm-mount-context'),
  },
  // Before 1.1 there is no `features`; every runc of that age that is not built for it says so when asked.
  canCheckpoint: ({ features }) =>
    features === undefined || !/"org\.opencontainers\.runc\.checkpoint\.enabled":\s*"false"/.test(features),
};
