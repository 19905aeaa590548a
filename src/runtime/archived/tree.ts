// Files of an archive put back into a folder that is a container's root or volume. The archive was written by somebody else, and the root is
// an image's: no member, and nothing that is removed, may lead out of the folder over a link. GNU tar takes care of links that the archive
// itself brings (it makes them last); those that are there already are looked at here. Nobody else writes to a root whose container is not
// running.

import { execFile } from 'node:child_process';
import { lstat, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { CheckpointError } from '../../errors/checkpoint-error.js';

const LARGEST_LISTING = 1 << 28;

/** Unpacks `tarball` over what is in `folder`: owners, modes, times, extended attributes. Rejects with ARCHIVE_CORRUPT and IO. */
export async function unpackTree(tarball: string, folder: string): Promise<void> {
  const listing = await tar(tarball, ['--quoting-style=escape', '-tf', tarball]);
  const seen = new Set<string>();
  for (const name of listing.split('\n')) {
    const parts = partsOf(name);
    if (parts === undefined) throw corrupt(tarball, `"${name}" leads out of it`);
    await assertWithin(folder, parts.slice(0, -1), { tarball, seen });
  }
  const attributes = ['--xattrs', '--xattrs-include=*', '--numeric-owner', '--same-owner', '-p'];
  await tar(tarball, ['-C', folder, ...attributes, '-xf', tarball]);
}

/** Removes what `paths` (absolute in the container) name, as far as it is there. Rejects with ARCHIVE_CORRUPT and IO. */
export async function removeFrom(folder: string, paths: readonly string[], tarball: string): Promise<void> {
  const seen = new Set<string>();
  for (const path of paths) {
    const parts = partsOf(path);
    if (parts === undefined || parts.length === 0) throw corrupt(tarball, `"${path}" leads out of it`);
    await assertWithin(folder, parts.slice(0, -1), { tarball, seen });
    await rm(join(folder, ...parts), { recursive: true, force: true });
  }
}

function partsOf(name: string): readonly string[] | undefined {
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  return parts.includes('..') ? undefined : parts;
}

interface Looking {
  readonly tarball: string;
  /** Folders that were looked at. */
  readonly seen: Set<string>;
}

async function assertWithin(folder: string, parts: readonly string[], { tarball, seen }: Looking): Promise<void> {
  let path = folder;
  for (const part of parts) {
    path = join(path, part);
    if (seen.has(path)) continue;
    const status = await lstat(path).catch(() => undefined);
    if (status?.isSymbolicLink() === true) throw corrupt(tarball, `"${path}" is a link where it has a folder`);
    seen.add(path);
  }
}

async function tar(tarball: string, args: readonly string[]): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)('tar', args, { maxBuffer: LARGEST_LISTING });
    return stdout;
  } catch (cause) {
    const { code = 'unknown', stderr = '' } = cause as { readonly code?: unknown; readonly stderr?: string };
    const said = stderr.trim().split('\n')[0] ?? '';
    const message = `Cannot unpack "${tarball}": tar ended with ${String(code)}${said === '' ? '' : `: ${said}`}`;
    throw new CheckpointError('IO', message, { path: tarball, errno: String(code) }, { cause });
  }
}

function corrupt(tarball: string, why: string): CheckpointError<'ARCHIVE_CORRUPT'> {
  return new CheckpointError('ARCHIVE_CORRUPT', `Cannot unpack "${tarball}": ${why}`, { archive: tarball });
}
