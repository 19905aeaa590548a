// Options of Frazil itself. They must be written in full, so that they cannot change the meaning of an abbreviation that CRIU
// takes, and they are taken out again of what is passed on to CRIU.

import { imagesOptions } from './images.js';
import { MIGRATE, RECEIVE } from './own-migration.js';
import { CRIU, HELP, JSON_OPTION, type OwnOption, own, QUIET, READING, RUNTIME_ROOT } from './own-option.js';
import { REWRITING } from './rewriting.js';

const PROGRESS = own('progress', {
  text: 'Show progress even when stderr is no terminal; with --json one line per event',
});

const ABSORB = own('absorb', {
  text: 'Take the pages into memory while the tree is frozen: always, never or auto',
  argument: 'optional',
  value: 'MODE',
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
  migrate: MIGRATE,
  receive: RECEIVE,
  help: [HELP],
} as const satisfies Record<string, readonly OwnOption[]>;

export type OwnCommand = keyof typeof OWN_COMMANDS;
