// A chain into one images directory that stands alone: its files are those of the newest level, its pages come from all of them.

import { constants } from 'node:fs';
import { chmod, copyFile, lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type SquashCounters, squashImages } from '../addon/images.js';
import { assertNotAborted } from '../errors/aborted.js';
import { sync, writeBeside } from './beside.js';
import { imageError, listPagemaps } from './pagemaps.js';
import { openDirectory } from './staging.js';

export interface SquashReport extends SquashCounters {
  readonly imagesDir: string;
  readonly to: string;
  /** Levels that became one. */
  readonly depth: number;
}

export interface SquashOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called once, with where the figures of the moment can be had. */
  readonly watch?: (snapshot: () => SquashCounters) => void;
}

const NOT_COPIED = /^(pagemap-(shmem-)?\d+\.img|pages-\d+\.img|parent|\.frazil-.*)$/;

/**
 * Squashes the chain of `imagesDir` into the new directory `to`, on any file system. Nothing is at `to` unless it is whole and synced;
 * the chain is only read. Throws IMAGES_EXIST, IMAGES_CORRUPT, FEATURE_MISSING, IO, ABORTED.
 */
export async function squash(imagesDir: string, to: string, options: SquashOptions = {}): Promise<SquashReport> {
  assertNotAborted(`squash "${imagesDir}"`, options.signal);
  const names = (await listPagemaps(imagesDir)).map(({ name }) => name);
  return writeBeside(to, async (folder) => {
    using directory = await openDirectory(imagesDir);
    using target = await openDirectory(folder, 'itself');
    const job = squashImages(directory, names, { to: target, signal: options.signal });
    options.watch?.(() => job.snapshot());
    const { fault, depth } = await job.done;
    if (fault !== undefined) throw imageError('squash', imagesDir, fault);
    await copyOthers(imagesDir, folder);
    return { imagesDir, to, depth, ...job.snapshot() };
  });
}

/** Copies all files but pages, pagemaps and the link to the parent, and syncs them. No links are followed. */
async function copyOthers(from: string, to: string): Promise<void> {
  for (const name of await readdir(from)) {
    if (NOT_COPIED.test(name) || !(await lstat(join(from, name))).isFile()) continue;
    await copyFile(join(from, name), join(to, name), constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
    await chmod(join(to, name), 0o600);
    await sync(join(to, name));
  }
}
