// What migrate and receive take.

import { CRIU, HELP, JSON_OPTION, number, type OwnOption, own, QUIET, RUNTIME_ROOT, taking } from './own-option.js';

// So that connections stay: what has to happen on each side of a migration.
const NETWORK = [
  own('network-switch', {
    text: 'A command that moves the address; FRAZIL_NETWORK_STEP says when (docs/migration.md)',
    argument: 'required',
    value: 'CMD',
  }),
  own('move-address', {
    text: 'Move this address of a device along, by ip(8)',
    argument: 'required',
    value: 'ADDRESS/LENGTH@DEVICE',
  }),
] as const;

const SECURITY: readonly OwnOption[] = [
  own('plaintext', { text: 'Everything in plaintext, over a network that is trusted' }),
  own('tls-cert', { text: 'TLS with this certificate instead of a token', argument: 'required', value: 'FILE' }),
  own('tls-key', { text: 'Its key', argument: 'required', value: 'FILE' }),
  own('tls-cacert', { text: 'Who has signed the certificate of the peer', argument: 'required', value: 'FILE' }),
];
export const MIGRATE = [
  own('tree', { text: 'Move this tree', argument: 'required', value: 'PID', short: 't' }),
  own('container', {
    text: 'Not a tree but this container, whoever started it: its id, or the beginning of it',
    argument: 'required',
    value: 'ID',
  }),
  RUNTIME_ROOT,
  own('volume', {
    text: 'With --container: a folder that is mounted into it moves, too, into volumes/NAME; may be repeated',
    argument: 'required',
    value: 'NAME=DIR',
  }),
  own('to', { text: 'Where "frazil receive" listens', argument: 'required', value: 'HOST:PORT' }),
  own('token', {
    text: 'What the receiver has printed; default: FRAZIL_TOKEN',
    argument: 'required',
    value: 'TOKEN',
  }),
  ...SECURITY,
  own('mode', {
    text: 'pre-copy (default): it arrives whole; post-copy: it runs there first and fetches its memory; hybrid: what has changed since an iteration',
    argument: 'required',
    value: 'MODE',
  }),
  own('rescue-to', {
    text: 'A folder for a checkpoint of the tree, should the copy be lost while it fetches its memory',
    argument: 'required',
    value: 'DIR',
  }),
  own('dry-run', { text: 'Iterate and predict the downtime; the tree stays' }),
  number('streams', 'Page streams, 1 to 16; default: as processors and link ask for'),
  own('compress', {
    text: 'Pages on their way: auto (default), none, lz4 or zstd',
    argument: 'required',
    value: 'HOW',
  }),
  own('delta', {
    text: 'Pages that are sent again as what differs: auto (default), none or always',
    argument: 'required',
    value: 'HOW',
  }),
  number('delta-cache', 'Memory for that, in bytes; default an eighth of the tree, 16 to 256 MiB'),
  own('tracking', {
    text: 'How changed pages are found: auto (default), soft-dirty (by the kernel) or digest',
    argument: 'required',
    value: 'HOW',
  }),
  number('max-downtime', 'Milliseconds of downtime to aim at; default 250'),
  number('max-iterations', 'At most so many before the final dump, 0 for none; default 30, with --mode hybrid 1'),
  number('max-total', 'Give up after so many milliseconds'),
  number('max-bytes', 'Give up when so many bytes were sent'),
  ...NETWORK,
  own('throttle', {
    text: 'Slow a tree down that changes faster than the link carries, by at most this share of its processor time (0.95 at most); it is alone in its cgroup',
    argument: 'required',
    value: 'SHARE',
  }),
  own('when-diverging', {
    text: 'A tree that changes faster than the link carries: give-up (default), stop it all the same, or lazy: run it there, its pages behind it',
    argument: 'required',
    value: 'WHAT',
  }),
  JSON_OPTION,
  CRIU,
  QUIET,
  HELP,
] as const satisfies readonly OwnOption[];

export const RECEIVE = [
  own('listen', { text: 'Where to wait; port 0 is any that is free', argument: 'required', value: 'HOST:PORT' }),
  own('once', { text: 'End with the first tree that arrives, or does not' }),
  ...SECURITY,
  ...NETWORK,
  taking(
    'bundle',
    'DIR',
    'The bundle of a container that is moved here; it may be empty. Without one they are refused',
  ),
  taking(
    'rootfs',
    'DIR',
    'With --bundle: its root filesystem, which comes along if it is empty; default: rootfs there',
  ),
  taking('container', 'ID', 'With --bundle: the id that the container gets; default: the one that it had'),
  taking('runtime-root', 'DIR', "With --bundle: where its runtime keeps its state; default: the runtime's own"),
  taking('console-socket', 'PATH', 'With --bundle: the AF_UNIX socket that gets the master of its terminal'),
  own('directory', {
    text: 'Where images lie while they are needed; default: memory',
    argument: 'required',
    value: 'DIR',
  }),
  JSON_OPTION,
  CRIU,
  QUIET,
  HELP,
] as const satisfies readonly OwnOption[];
