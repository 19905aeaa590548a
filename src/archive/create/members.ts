// What goes into an archive: members with names, from files or from memory, and how long each is before anything is written.

import { constants, type Stats } from 'node:fs';
import { lstat, readdir, readlink } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { CheckpointError } from '../../errors/checkpoint-error.js';
import type { TreeMember } from '../tree/trees.js';

/** Small enough to be held. */
export interface BytesMember {
  readonly kind: 'bytes';
  readonly name: string;
  readonly content: Uint8Array;
}

export type Member =
  | BytesMember
  /** A regular file, as long as it was when it was looked at. */
  | {
      readonly kind: 'file';
      readonly name: string;
      readonly path: string;
      readonly bytes: number;
      readonly mtime: Date;
    }
  /** An archive within the archive, made on the way. */
  | TreeMember
  | { readonly kind: 'directory'; readonly name: string }
  /** To another directory of the same archive. */
  | { readonly kind: 'link'; readonly name: string; readonly target: string };

export const CHECKPOINT = 'checkpoint';
const PAGES = /^pages-(\d+)\.img$/;
const IMAGE = /\.img$|\.tar\.gz$|^descriptors\.json$/;
const INVENTORY = 'inventory.img';
/** More parents than anybody restores from. */
const LONGEST_CHAIN = 1000;

/** N of a member that is `pages-N.img`. */
export function pagesIdOf(name: string): number | undefined {
  const found = PAGES.exec(name.slice(name.lastIndexOf('/') + 1))?.[1];
  return found === undefined ? undefined : Number(found);
}

/**
 * The images directory as `checkpoint`, its parents as `checkpoint-1` and so on with the links between them: pages first, `inventory.img`
 * last. Throws IO, or IMAGES_CORRUPT when one of them is no checkpoint, or the chain leads to itself.
 */
export async function imageMembers(imagesDir: string): Promise<readonly Member[]> {
  const members: Member[] = [];
  const seen = new Set<string>();
  for (let path: string | undefined = resolve(imagesDir), level = 0; path !== undefined; level += 1) {
    const { ino, dev } = await statusOf(path);
    if (seen.has(`${dev}:${ino}`) || level > LONGEST_CHAIN) throw corrupt(path, 'its parents lead back to it');
    seen.add(`${dev}:${ino}`);
    const name = nameOf(level);
    const parent: string | undefined = await readlink(join(path, 'parent')).catch(() => undefined);
    members.push({ kind: 'directory', name }, ...(await filesOf(path, name, level)));
    if (parent !== undefined) members.push({ kind: 'link', name: `${name}/parent`, target: `../${nameOf(level + 1)}` });
    path = parent === undefined ? undefined : resolve(path, parent);
  }
  return members;
}

function nameOf(level: number): string {
  return level === 0 ? CHECKPOINT : `${CHECKPOINT}-${level}`;
}

async function filesOf(path: string, folder: string, level: number): Promise<readonly Member[]> {
  const names = (await readdir(path).catch(unreadable(path))).filter((name) => IMAGE.test(name));
  if (!names.includes(INVENTORY)) {
    const what = level === 0 ? 'it holds no whole checkpoint' : 'it is a parent, and holds no whole checkpoint';
    throw corrupt(path, `${what} (inventory.img is missing)`);
  }
  const rank = (name: string): number => (PAGES.test(name) ? 0 : name === INVENTORY ? 2 : 1);
  const ordered = names.sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
  return Promise.all(ordered.map((name) => fileMember(`${folder}/${name}`, join(path, name))));
}

/** A regular file, and not what a link leads to. Throws IO. */
export async function fileMember(name: string, path: string): Promise<Member> {
  const status = await statusOf(path);
  if (!status.isFile()) throw refused(path, 'it is no regular file', status.isSymbolicLink() ? 'ELOOP' : 'EINVAL');
  return { kind: 'file', name, path, bytes: status.size, mtime: status.mtime };
}

/** The same, unless there is none. */
export async function optionalFile(name: string, path: string): Promise<readonly Member[]> {
  const there = await lstat(path).catch(() => undefined);
  return there === undefined ? [] : [await fileMember(name, path)];
}

/** How a file of a member is opened: no link, and no waiting for the other end of what has become a pipe. */
export const OPEN_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

async function statusOf(path: string): Promise<Stats> {
  return lstat(path).catch(unreadable(path));
}

function unreadable(path: string): (cause: NodeJS.ErrnoException) => never {
  return (cause) => {
    throw refused(path, cause.code ?? 'unknown', cause.code ?? 'unknown', cause);
  };
}

function refused(path: string, why: string, errno: string, cause?: unknown): CheckpointError<'IO'> {
  return new CheckpointError('IO', `Cannot archive "${path}": ${why}`, { path, errno }, { cause });
}

function corrupt(path: string, why: string): CheckpointError<'IMAGES_CORRUPT'> {
  return new CheckpointError('IMAGES_CORRUPT', `Cannot archive "${path}": ${why}`, { path, imagesDir: path });
}
