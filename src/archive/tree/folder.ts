// What is in a folder that somebody else may change meanwhile, as a container does that runs on: folders are opened below one another, over no
// link, and looked at through their fds.

import { lstatSync, readdirSync, type Stats } from 'node:fs';
import { lstat, readdir, readlink } from 'node:fs/promises';
import { openBeneath } from '../../addon/beneath.js';
import type { Fd } from '../../addon/fd.js';
import { readXattrs } from '../../addon/members.js';
import { CheckpointError } from '../../errors/checkpoint-error.js';

export type FoundKind = 'file' | 'directory' | 'link' | 'character-device' | 'block-device' | 'fifo' | 'socket';

export interface Found {
  /** In its folder. */
  readonly name: string;
  readonly kind: FoundKind;
  readonly status: Stats;
  /** Of a link. */
  readonly target: string | undefined;
  readonly xattrs: ReadonlyMap<string, Uint8Array>;
}

/** In the order of the bytes of their names. Throws IO, also for a name that is not UTF-8. */
export async function readFolder(folder: Fd, path: string): Promise<readonly Found[]> {
  const names = await readdir(through(folder), 'buffer').catch(unreadable(path));
  const found: Found[] = [];
  for (const name of names.sort(Buffer.compare)) {
    const one = await lookAt(folder, nameOf(name, path));
    if (one !== undefined) found.push(one);
  }
  return found;
}

/**
 * The same without targets and attributes, in no order, and without a turn of another thread for each, which takes ten times as long as
 * the look itself: for who counts milliseconds. Throws as readFolder() rejects.
 */
export function* statusesIn(folder: Fd, path: string): Generator<readonly [name: string, status: Stats]> {
  for (const bytes of namesIn(folder, path)) {
    const name = nameOf(bytes, path);
    const status = lstatSync(`${through(folder)}/${name}`, { throwIfNoEntry: false });
    if (status !== undefined) yield [name, status];
  }
}

function namesIn(folder: Fd, path: string): Buffer[] {
  try {
    return readdirSync(through(folder), 'buffer');
  } catch (cause) {
    return unreadable(path)(cause as NodeJS.ErrnoException);
  }
}

/** Nothing when there is nothing of that name (any more). */
export async function lookAt(folder: Fd, name: string): Promise<Found | undefined> {
  const path = `${through(folder)}/${name}`;
  try {
    const status = await lstat(path);
    const kind = kindOf(status);
    const target = kind === 'link' ? await readlink(path) : undefined;
    return { name, kind, status, target, xattrs: readXattrs(path) };
  } catch (reason) {
    if (isGone(reason)) return undefined;
    throw reason;
  }
}

/** `name` in `folder`, or nothing when it is not there or no folder. The caller closes it. */
export function openFolder(folder: Fd, name: string): Fd | undefined {
  try {
    return openBeneath(folder, name, 'folder');
  } catch (reason) {
    if (isGone(reason) || errnoOf(reason) === 'ENOTDIR' || errnoOf(reason) === 'ELOOP') return undefined;
    throw reason;
  }
}

function kindOf(status: Stats): FoundKind {
  if (status.isFile()) return 'file';
  if (status.isDirectory()) return 'directory';
  if (status.isSymbolicLink()) return 'link';
  if (status.isCharacterDevice()) return 'character-device';
  if (status.isBlockDevice()) return 'block-device';
  return status.isFIFO() ? 'fifo' : 'socket';
}

// A tar has its names in UTF-8, and so have we.
function nameOf(bytes: Buffer, path: string): string {
  const name = bytes.toString('utf8');
  if (Buffer.from(name).equals(bytes)) return name;
  const message = `Cannot archive "${path}/${bytes.toString('latin1')}": its name is not UTF-8`;
  throw new CheckpointError('IO', message, { path, errno: 'EILSEQ' });
}

function through(folder: Fd): string {
  return `/proc/self/fd/${folder.number}`;
}

function isGone(reason: unknown): boolean {
  return errnoOf(reason) === 'ENOENT';
}

function errnoOf(reason: unknown): string | undefined {
  if (CheckpointError.is(reason, 'IO')) return reason.detail.errno;
  return reason instanceof Error && 'code' in reason ? String(reason.code) : undefined;
}

function unreadable(path: string): (cause: NodeJS.ErrnoException) => never {
  return (cause) => {
    const errno = cause.code ?? 'unknown';
    throw new CheckpointError('IO', `Cannot archive "${path}": ${errno}`, { path, errno }, { cause });
  };
}
