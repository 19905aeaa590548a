// Options of Frazil itself. They must be written in full, so that they cannot change the meaning of an abbreviation that CRIU
// takes, and they are taken out again of what is passed on to CRIU.

import type { ArgumentKind } from './grammar.js';
import { imagesOptions } from './images.js';
import type { OwnOption } from './own-option.js';
import { REWRITING } from './rewriting.js';

interface About {
  readonly text: string;
  readonly argument?: ArgumentKind;
  readonly value?: string;
  readonly short?: string;
}

function own(name: string, { text, argument = 'none', value, short }: About): OwnOption {
  const more = { ...(value === undefined ? {} : { value }), ...(short === undefined ? {} : { short }) };
  return { name, argument, sets: name, on: true, text, ...more };
}

function taking(name: string, value: string, text: string): OwnOption {
  return own(name, { argument: 'required', value, text });
}

const JSON_OPTION = own('json', { text: 'One object on stdout; everything for people goes to stderr' });
const PROGRESS = own('progress', {
  text: 'Show progress even when stderr is no terminal; with --json one line per event',
});
const QUIET = own('quiet', { text: 'No progress, no summary; errors only' });
const CRIU = own('criu', {
  text: 'The CRIU to run; default: FRAZIL_CRIU, the private prefix, PATH',
  argument: 'required',
  value: 'PATH',
});
const HELP = own('help', { text: 'Show this text', short: 'h' });

/** What is needed and demanded to read an archive. */
const READING = [
  own('identity', {
    text: 'An age identity file that opens an encrypted archive; may be repeated',
    argument: 'required',
    value: 'FILE',
  }),
  own('passphrase-file', { text: 'A file with the passphrase of an archive', argument: 'required', value: 'FILE' }),
  own('require-signature', {
    text: 'Refuse an archive unless the ed25519 public key in this file has signed it; may be repeated: any of them',
    argument: 'required',
    value: 'FILE',
  }),
  own('require-encryption', { text: 'Refuse an archive that is not encrypted' }),
  own('no-digests', { text: 'Do not compare the content of members with their digests' }),
] as const;

const ABSORB = own('absorb', {
  text: 'Take the pages into memory while the tree is frozen: always, never or auto',
  argument: 'optional',
  value: 'MODE',
});

const RUNTIME_ROOT = own('runtime-root', {
  text: "With --container: where its runtime keeps its state; default: where engines have it, for restore the runtime's own",
  argument: 'required',
  value: 'DIR',
});

/** What a restore into a container is told. */
const INTO_CONTAINER = [
  own('container', {
    text: 'On restore, from an archive: as this container of a runtime, which knows it afterwards',
    argument: 'required',
    value: 'ID',
  }),
  own('bundle', {
    text: 'With --container: its bundle, which may be empty; default: the current directory',
    argument: 'required',
    value: 'DIR',
  }),
  own('rootfs', {
    text: "With --container: the image's files, which get the container's changes; default: rootfs in the bundle",
    argument: 'required',
    value: 'DIR',
  }),
  own('runtime', { text: 'With --container: runc (default) or crun', argument: 'required', value: 'NAME' }),
  RUNTIME_ROOT,
] as const;

/** Beside CRIU's options, with every command of CRIU's. */
export const OWN_OPTIONS: readonly OwnOption[] = [
  JSON_OPTION,
  PROGRESS,
  QUIET,
  CRIU,
  ABSORB,
  own('sync', { text: 'On dump and pre-dump: end only when the images have reached the disk' }),
  ...READING,
  own('lazy', { text: 'On restore: run the tree first, fill its memory behind it' }),
  own('copies', {
    text: 'With --lazy: restore N trees, each in a pid namespace of its own, which share what is read of the pages',
    argument: 'required',
    value: 'N',
  }),
  own('record', {
    text: 'With --lazy: write the order in which the tree asks for pages into FILE',
    argument: 'required',
    value: 'FILE',
  }),
  own('replay', { text: 'With --lazy: fill in the order of FILE first', argument: 'required', value: 'FILE' }),
  own('fill-rate', {
    text: 'With --lazy: fill no faster than SIZE a second, such as 100M',
    argument: 'required',
    value: 'SIZE',
  }),
  own('cache', {
    text: 'With --lazy, from a compressed archive: keep up to SIZE of it decompressed; default: 32M, with --copies 256M',
    argument: 'required',
    value: 'SIZE',
  }),
  own('small', {
    text: 'On page-server --lazy-pages: make DIR, with all that a restore elsewhere needs beside the pages',
    argument: 'required',
    value: 'DIR',
  }),
  ...REWRITING,
  ...INTO_CONTAINER,
  own('session', { text: 'How CRIU is reached: swrk or libcriu', argument: 'required', value: 'KIND' }),
];

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
const number = (name: string, text: string): OwnOption => own(name, { text, argument: 'required', value: 'N' });

const TREE = own('tree', {
  text: 'Look at this tree too, without stopping it',
  argument: 'required',
  value: 'PID',
  short: 't',
});

/** What the commands that CRIU does not have take; nothing else. */
export const OWN_COMMANDS = {
  doctor: [TREE, JSON_OPTION, CRIU, QUIET, HELP],
  explain: [JSON_OPTION, HELP],
  archive: [
    own('images-dir', { text: 'create: the images directory', argument: 'required', value: 'DIR', short: 'D' }),
    own('output', {
      text: 'create: the archive, or - for standard output',
      argument: 'required',
      value: 'FILE',
      short: 'o',
    }),
    own('profile', {
      text: 'create: neutral, podman, cri-o or containerd (default: neutral)',
      argument: 'required',
      value: 'NAME',
    }),
    own('add', {
      text: 'create: a member beside the images, such as config.dump=FILE; may be repeated',
      argument: 'required',
      value: 'NAME=FILE',
    }),
    own('rootfs', {
      text: 'create: what a container has changed in its root: the mount point of an overlay, or its options',
      argument: 'required',
      value: 'OVERLAY',
    }),
    own('volume', {
      text: 'create: a folder that was mounted into the container, as volumes/NAME.tar; may be repeated',
      argument: 'required',
      value: 'NAME=DIR',
    }),
    own('shm', {
      text: 'create: the folder that was its /dev/shm',
      argument: 'required',
      value: 'DIR',
    }),
    own('work-dir', {
      text: 'create: where dump.log and stats-dump lie',
      argument: 'required',
      value: 'DIR',
      short: 'W',
    }),
    own('compress', {
      text: 'create: none, zstd, lz4 or gzip (default: from the name)',
      argument: 'required',
      value: 'CODEC',
    }),
    own('level', { text: "create: the codec's level", argument: 'required', value: 'N' }),
    own('threads', { text: 'create: compressing threads', argument: 'required', value: 'N' }),
    own('recipient', {
      text: 'create: encrypt for this age recipient; may be repeated',
      argument: 'required',
      value: 'RECIPIENT',
    }),
    own('sign-with', {
      text: 'create: sign with the ed25519 private key (PEM) in this file',
      argument: 'required',
      value: 'FILE',
    }),
    own('no-index', { text: 'create: leave frazil.index out' }),
    own('sync', { text: 'create: end only when the archive has reached the disk' }),
    own('directory', { text: 'extract: where to', argument: 'required', value: 'DIR', short: 'C' }),
    ...READING,
    JSON_OPTION,
    PROGRESS,
    QUIET,
    HELP,
  ],
  checkpoint: [
    own('tree', { text: 'The root of the tree', argument: 'required', value: 'PID', short: 't' }),
    own('container', {
      text: 'Not a tree but this container, whoever started it: its id, or the beginning of it',
      argument: 'required',
      value: 'ID',
    }),
    RUNTIME_ROOT,
    own('output', {
      text: 'The archive: NAME.tar, .tar.zst, .tar.lz4 or .tar.gz, or - for stdout',
      argument: 'required',
      value: 'FILE',
      short: 'o',
    }),
    own('compress', { text: 'none, zstd, lz4 or gzip, whatever FILE is called', argument: 'required', value: 'CODEC' }),
    own('level', { text: 'How densely; default: zstd 3, lz4 1, gzip 6', argument: 'required', value: 'N' }),
    own('threads', { text: 'Compressing threads; default: one for each processor', argument: 'required', value: 'N' }),
    own('profile', {
      text: 'neutral, podman, cri-o or containerd (default: neutral)',
      argument: 'required',
      value: 'NAME',
    }),
    own('add', {
      text: 'A member beside the images, such as config.dump=FILE; may be repeated',
      argument: 'required',
      value: 'NAME=FILE',
    }),
    own('rootfs', {
      text: 'What the container has changed in its root: the mount point of an overlay, or its options',
      argument: 'required',
      value: 'OVERLAY',
    }),
    own('volume', {
      text: 'A folder that is mounted into the container, as volumes/NAME.tar; may be repeated',
      argument: 'required',
      value: 'NAME=DIR',
    }),
    own('shm', { text: 'The folder that is its /dev/shm', argument: 'required', value: 'DIR' }),
    own('recipient', {
      text: 'Encrypt for this age recipient; may be repeated',
      argument: 'required',
      value: 'RECIPIENT',
    }),
    own('passphrase-file', { text: 'Encrypt with the passphrase in this file', argument: 'required', value: 'FILE' }),
    own('sign-with', {
      text: 'Sign with the ed25519 private key (PEM) in this file, with digests',
      argument: 'required',
      value: 'FILE',
    }),
    own('digests', { text: 'Write the digest of each member into the index' }),
    own('sync', { text: 'Done when the archive is on the disk' }),
    JSON_OPTION,
    PROGRESS,
    QUIET,
    CRIU,
    ABSORB,
    HELP,
  ],
  bench: [
    own('list', { text: 'Name the scenarios and peers' }),
    own('size', { text: 'Memory of the tree, such as 512M', argument: 'required', value: 'SIZE' }),
    own('peer', {
      text: 'Measure this peer; may be repeated, the first is the baseline',
      argument: 'required',
      value: 'NAME',
    }),
    own('runs', { text: 'Counted runs of every peer', argument: 'required', value: 'N' }),
    own('warmups', { text: 'Runs before those', argument: 'required', value: 'N' }),
    own('processes', { text: 'Processes of the tree', argument: 'required', value: 'N' }),
    own('seed', { text: 'Seed of the memory and the statistics', argument: 'required', value: 'N' }),
    own('json', { text: 'Write every figure into this file', argument: 'required', value: 'FILE' }),
    own('svg', { text: 'Write a plot into this file', argument: 'required', value: 'FILE' }),
    own('html', { text: 'Write a report that needs no other file', argument: 'required', value: 'FILE' }),
    CRIU,
    QUIET,
    HELP,
  ],
  images: imagesOptions(),
  migrate: [
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
  ],
  receive: [
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
  ],
  help: [HELP],
} as const satisfies Record<string, readonly OwnOption[]>;

export type OwnCommand = keyof typeof OWN_COMMANDS;
