// Files of a container on their way: all of them while it runs, then what has changed since, at last while it is frozen. A change is seen by
// the time of change of the inode (which nobody can set back), its size and its owner; files that are mapped to be written count as changed
// always, for the kernel does not say when. What travels is a tar by GNU tar of the paths that changed, and the paths that are gone.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Stats } from 'node:fs';
import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as breath } from 'node:timers/promises';
import type { Fd } from '../../addon/fd.js';
import { openFolder, statusesIn } from '../../archive/tree/folder.js';
import type { Overlay } from '../../archive/tree/overlay.js';
import { rootfsDiff } from '../../archive/tree/rootfs-diff.js';
import { CheckpointError } from '../../errors/checkpoint-error.js';
import { openDirectory } from '../../images/staging.js';
import { MAX_BYTES } from '../../migrate/wire/channel.js';
import type { SourceChannel } from '../../migrate/wire/connect.js';

/** What is sent of a folder: all of it, or what an overlay has over its image. */
export type Extent = { readonly kind: 'whole' } | { readonly kind: 'diff'; readonly overlay: Overlay };

export interface Moving {
  /** In the order of `hello`. */
  readonly index: number;
  /** Where its files are read. */
  readonly path: string;
  readonly extent: Extent;
}

/** What a folder holds at one moment: paths below it, with what a change of them would change. */
interface Listing {
  readonly files: ReadonlyMap<string, string>;
  /** Of the image, and not of the container any more. */
  readonly gone: ReadonlySet<string>;
}

export class MovingTree {
  readonly #moving: Moving;
  #sent: Listing = { files: new Map(), gone: new Set() };

  constructor(moving: Moving) {
    this.#moving = moving;
  }

  /** Sends what is not there yet; `mapped` counts as changed. Rejects with IO, or FEATURE_MISSING as rootfsDiff(). */
  async send(channel: SourceChannel, mapped: ReadonlySet<string>): Promise<void> {
    const { index, path } = this.#moving;
    const now = await list(this.#moving);
    const before = this.#sent;
    const changed = [...now.files].flatMap(([name, mark]) =>
      before.files.get(name) === mark && !mapped.has(name) ? [] : [name],
    );
    const vanished = [...before.files.keys()].filter((name) => !now.files.has(name));
    const removed = new Set([...vanished, ...[...now.gone].filter((name) => !before.gone.has(name))]);
    // First, so that a folder can become a file.
    if (removed.size > 0) await sendRemoved(channel, index, [...removed]);
    if (changed.length > 0) await sendFiles(channel, { index, path, names: changed });
    this.#sent = now;
  }
}

/** Of all that would be sent of it now. */
export async function bytesOf(moving: Moving): Promise<number> {
  const { files } = await list(moving);
  return [...files.values()].reduce((sum, mark) => sum + Number(mark.split(' ')[0]), 0);
}

async function list({ path, extent }: Moving): Promise<Listing> {
  if (extent.kind === 'whole') {
    using root = await openDirectory(path, 'itself');
    const files = new Map([['.', markOf(await lstat(path))]]);
    await visit(root, '', { path, files });
    return { files, gone: new Set() };
  }
  const { entries, deleted } = await rootfsDiff({ overlay: extent.overlay, form: 'listed', ignored: () => false });
  const marks = await Promise.all(
    entries.map(async ({ path: name }) => {
      const status = await lstat(join(extent.overlay.upper, name)).catch(() => undefined);
      return status === undefined ? [] : [[name, markOf(status)] as const];
    }),
  );
  return { files: new Map(marks.flat()), gone: new Set(deleted.map((name) => name.slice(1))) };
}

async function visit(folder: Fd, below: string, to: { path: string; files: Map<string, string> }): Promise<void> {
  for (const [own, status] of statusesIn(folder, join(to.path, below))) {
    // A socket is CRIU's to make.
    if (status.isSocket()) continue;
    const name = `${below}${own}`;
    to.files.set(name, markOf(status));
    if (to.files.size % BREATH_FILES === 0) await breath();
    if (!status.isDirectory()) continue;
    using inner = openFolder(folder, own);
    if (inner !== undefined) await visit(inner, `${name}/`, to);
  }
}

// A millisecond or two: this thread has CRIU's conversation to hold as well.
const BREATH_FILES = 128;

// The size first: bytesOf() reads it.
function markOf(status: Stats): string {
  const { ctimeMs, ino, mode, uid, gid, nlink } = status;
  return [status.isFile() ? status.size : 0, ctimeMs, ino, mode, uid, gid, nlink].join(' ');
}

async function sendRemoved(channel: SourceChannel, index: number, names: readonly string[]): Promise<void> {
  const bytes = Buffer.from(names.map((name) => `${name}\0`).join(''));
  for (let from = 0; from < bytes.length; from += MAX_BYTES)
    await channel.send({ type: 'tree', index, kind: 'removed', end: false }, bytes.subarray(from, from + MAX_BYTES));
  await channel.send({ type: 'tree', index, kind: 'removed', end: true });
}

interface Sending {
  readonly index: number;
  readonly path: string;
  readonly names: readonly string[];
}

const TAR = [
  ...['--create', '--file=-', '--format=pax', '--null', '--no-recursion', '--verbatim-files-from', '--files-from=-'],
  ...['--numeric-owner', '--xattrs', '--xattrs-include=user.*', '--xattrs-include=security.capability', '--sparse'],
  // What goes or changes meanwhile is noticed by the next listing.
  ...['--ignore-failed-read', '--warning=no-failed-read', '--warning=no-file-changed', '--warning=no-file-removed'],
];
/** Of GNU tar: some files differ from what they were when it began to read them. */
const SOME_DIFFER = 1;

async function sendFiles(channel: SourceChannel, { index, path, names }: Sending): Promise<void> {
  const child = spawn('tar', ['-C', path, ...TAR], { stdio: ['pipe', 'pipe', 'pipe'] });
  let said = '';
  child.stderr.on('data', (piece) => {
    said = `${said}${String(piece)}`.slice(-SHOWN);
  });
  const ended = once(child, 'close');
  child.stdin.on('error', () => {});
  child.stdin.end(names.map((name) => `${name}\0`).join(''));
  for await (const piece of child.stdout as AsyncIterable<Buffer>)
    await channel.send({ type: 'tree', index, kind: 'files', end: false }, piece);
  const [status] = await ended;
  if (status !== 0 && status !== SOME_DIFFER)
    throw new CheckpointError('IO', `Cannot read "${path}": tar ended with ${String(status)}: ${said.trim()}`, {
      path,
    });
  await channel.send({ type: 'tree', index, kind: 'files', end: true });
}

const SHOWN = 400;
