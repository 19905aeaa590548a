// The long and short options of CRIU 4.2, as its getopt_long knows them. All of them, and not only those that a verb of ours
// takes: an abbreviation such as `--leave-r` is unambiguous or not with respect to the whole list, and a script that is pointed
// at `frazil` instead of `criu` may abbreviate. test/e2e/cli-grammar.test.ts asks the real program about every row.

export type ArgumentKind = 'none' | 'required' | 'optional';

export interface LongOption {
  readonly name: string;
  readonly argument: ArgumentKind;
  readonly short?: string;
  /** The option that this one sets. Two names of one option are never an ambiguity. */
  readonly sets: string;
  /** False for `--no-NAME`. */
  readonly on: boolean;
}

// "NAME" or "NAME s", where s is the short form.
const REQUIRED = [
  'tree t',
  'images-dir D',
  'work-dir W',
  'log-file o',
  'join-ns J',
  'root r',
  'close',
  'pidfile',
  'veth-pair',
  'action-script',
  'address',
  'port',
  'prev-images-dir',
  'libdir L',
  'ext-mount-map M',
  'cgroup-root',
  'inherit-fd',
  'feature',
  'skip-mnt',
  'enable-fs',
  'freeze-cgroup',
  'ghost-limit',
  'irmap-scan-path',
  'lsm-profile',
  'timeout',
  'external',
  'empty-ns',
  'cgroup-props',
  'cgroup-props-file',
  'cgroup-dump-controller',
  'status-fd',
  'ps-socket',
  'config',
  'tls-cacert',
  'tls-cacrl',
  'tls-cert',
  'tls-key',
  'cgroup-yard',
  'pre-dump-mode',
  'file-validation',
  'lsm-mount-context',
  'network-lock',
];

const OPTIONAL = ['ext-unix-sk x', 'cpu-cap', 'manage-cgroups', 'verbosity v'];

const PLAIN = [
  'leave-stopped s',
  'leave-running R',
  'help h',
  'version V',
  'ms',
  'exec-cmd',
  'enable-external-sharing',
  'enable-external-masters',
  'lazy-pages',
  'all',
  'no-default-config',
  'tls-no-cn-verify',
];

/** Those with a `--no-NAME` beside them. */
const SWITCHES = [
  'restore-detached d',
  'restore-sibling S',
  'tcp-established',
  'log-pid',
  'evasive-devices',
  'link-remap',
  'shell-job j',
  'file-locks l',
  'page-server',
  'track-mem',
  'auto-dedup',
  'force-irmap',
  'extra',
  'experimental',
  'skip-in-flight',
  'deprecated',
  'display-stats',
  'weak-sysctls',
  'tcp-close',
  'stream',
  'tls',
  'skip-file-rwx-check',
  'mntns-compat-mode',
  'unprivileged',
  'ghost-fiemap',
  'allow-uprobes',
];

export const CRIU_OPTIONS: readonly LongOption[] = [
  ...REQUIRED.map((row) => option(row, 'required')),
  ...OPTIONAL.map((row) => option(row, 'optional')),
  ...PLAIN.map((row) => option(row, 'none')),
  ...SWITCHES.flatMap((row) => switchPair(option(row, 'none'))),
  ...switchPair({ name: 'daemon', argument: 'none', sets: 'restore-detached', on: true }),
];

function option(row: string, argument: ArgumentKind): LongOption {
  const [name = row, short] = row.split(' ');
  return { name, argument, sets: name, on: true, ...(short === undefined ? {} : { short }) };
}

function switchPair(positive: LongOption): readonly LongOption[] {
  return [positive, { name: `no-${positive.name}`, argument: 'none', sets: positive.sets, on: false }];
}
