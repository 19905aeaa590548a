// Members as files below a folder that is ours: 0600 and 0700 whatever the archive says, made through openat2, so that nobody who can write
// there redirects us. The only link that a checkpoint has is `parent`, from one images directory to another in the same archive.

import { statfs } from 'node:fs/promises';
import { posix } from 'node:path';
import { mkdirBeneath, openBeneath, symlinkBeneath } from '../../addon/beneath.js';
import type { Fd } from '../../addon/fd.js';
import { CheckpointError } from '../../errors/checkpoint-error.js';
import { corrupt } from '../errors.js';
import type { TarEntry } from '../tar/entries.js';
import type { Content, Visitor } from './walk.js';

export interface Unpacking {
  readonly visit: Visitor;
  /** After the last member. Throws ARCHIVE_CORRUPT when a link leads to no folder of the archive. */
  finish(): void;
  readonly files: number;
}

const PAGES = /(^|\/)pages-\d+\.img$/;

/** Of a member's name. */
export function isPages(name: string): boolean {
  return PAGES.test(name);
}

/** `root` stays the caller's. `wanted` says which files; folders are made when something is in them, or all when everything is wanted. */
export function unpackInto(root: Fd, archive: string, wanted?: (name: string) => boolean): Unpacking {
  const made = new Set<string>();
  const links: Array<{ readonly name: string; readonly target: string }> = [];
  let files = 0;
  return {
    async visit(entry, content) {
      if (entry.kind === 'link') links.push({ name: entry.name, target: parentOf(entry, archive) });
      if (wanted !== undefined && (entry.kind === 'directory' || !wanted(entry.name))) return;
      makeFolders(root, entry.kind === 'directory' ? entry.name : posix.dirname(entry.name), made);
      if (entry.kind === 'link') symlinkBeneath(root, entry.name, entry.target ?? '');
      if (entry.kind !== 'file') return;
      await writeFile(root, entry, content);
      files += 1;
    },
    finish() {
      for (const { name, target } of links)
        if (!made.has(target) && wanted === undefined)
          throw corrupt(archive, `it leads to "${target}", which is no folder`, name);
    },
    get files() {
      return files;
    },
  };
}

// Where it leads to, as a name in the archive.
function parentOf({ name, target = '' }: TarEntry, archive: string): string {
  const reached = posix.join(posix.dirname(name), target);
  const leaves = target === '' || target.startsWith('/') || target.includes('\0') || reached.split('/')[0] === '..';
  if (posix.basename(name) === 'parent' && !leaves && reached !== '.')
    return posix.normalize(reached).replace(/\/$/, '');
  throw corrupt(archive, `it is a link (to "${target}")`, name);
}

function makeFolders(root: Fd, path: string, made: Set<string>): void {
  if (path === '.' || made.has(path)) return;
  makeFolders(root, posix.dirname(path), made);
  mkdirBeneath(root, path);
  made.add(path);
}

async function writeFile(root: Fd, { name, bytes }: TarEntry, content: Content): Promise<void> {
  await assertRoom(root, name, bytes);
  using file = openBeneath(root, name, 'create');
  try {
    await content.to(file, { holes: isPages(name) });
  } catch (reason) {
    if (!CheckpointError.is(reason, 'IO')) throw reason;
    throw new CheckpointError(
      'IO',
      `Cannot extract "${name}": ${reason.message}`,
      { ...reason.detail, path: name },
      { cause: reason },
    );
  }
}

// An archive of some KiB can promise exabytes: refused before the disk is full, not after.
async function assertRoom(root: Fd, name: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(`/proc/self/fd/${root.number}`);
  if (bytes <= bavail * bsize) return;
  const message = `Cannot extract "${name}": it has ${bytes} bytes, and only ${bavail * bsize} are free`;
  throw new CheckpointError('IO', message, { path: name, errno: 'ENOSPC' });
}
