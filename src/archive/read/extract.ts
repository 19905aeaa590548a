// An archive as a folder: put together beside its place, and there only when all of it was read and found right.

import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Work } from '../../criu/operation.js';
import { CheckpointError, failIo } from '../../errors/checkpoint-error.js';
import { openDirectory } from '../../images/staging.js';
import type { Archive } from '../archive.js';
import { unpackInto } from './unpack.js';
import { type ArchiveSummary, type WalkProgress, walk } from './walk.js';

export interface ExtractReport extends ArchiveSummary {
  readonly directory: string;
  readonly files: number;
}

export async function runExtract(archive: Archive, place: string, work: Work<WalkProgress>): Promise<ExtractReport> {
  await assertFree(place);
  const staged = join(dirname(place), `.${basename(place)}.frazil-${randomBytes(6).toString('hex')}`);
  await mkdir(staged, { mode: 0o700 }).catch(failIo(`Cannot make a folder beside "${place}"`, staged));
  try {
    const found = await unpackAll(archive, staged, { signal: work.signal, report: work.emit });
    await rename(staged, place).catch(failIo(`Cannot put the extracted files at "${place}"`, place));
    return { ...found, directory: place };
  } finally {
    await rm(staged, { recursive: true, force: true });
  }
}

async function unpackAll(
  archive: Archive,
  staged: string,
  options: { readonly signal: AbortSignal; readonly report: (progress: WalkProgress) => void },
): Promise<Omit<ExtractReport, 'directory'>> {
  using root = await openDirectory(staged, 'itself');
  const unpacking = unpackInto(root, archive.name);
  const summary = await walk(archive, { ...options, visit: unpacking.visit });
  unpacking.finish();
  return { ...summary, files: unpacking.files };
}

async function assertFree(place: string): Promise<void> {
  const there = await readdir(place).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return [];
    return failIo(`Cannot extract into "${place}"`, place)(cause);
  });
  if (there.length === 0) return;
  const message = `Cannot extract into "${place}": it is not empty. Name a folder that does not exist`;
  throw new CheckpointError('IO', message, { path: place, errno: 'ENOTEMPTY' });
}
