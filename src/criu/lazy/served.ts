// What a page server gives out, as a directory with pagemaps that say so, and where the pages are. Of a chain that is all that may come lazily, whichever
// level it is in: the pagemaps are those of the one level that restore-chain.ts makes of it.

import { mkdir, rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Archive } from '../../archive/archive.js';
import { CheckpointError, failIo } from '../../errors/checkpoint-error.js';
import { Held } from '../../images/held.js';
import type { LazyPagesIn } from '../../images/lazy-pages-in.js';
import { holdsCheckpoint, openDirectory } from '../../images/staging.js';
import type { ImagesDirectory } from '../target.js';

export interface Served extends AsyncDisposable {
  readonly imagesDir: string;
  /** For messages. */
  readonly named: string;
  readonly pages?: LazyPagesIn | undefined;
}

interface ToServe {
  /** Where the small images go. */
  readonly small: string | undefined;
  readonly signal: AbortSignal;
}

/** Throws IMAGES_CORRUPT, IO, ABORTED, or of an archive what a restore throws. `small` is there then, whole, or not at all. */
export async function stageServed(source: ImagesDirectory | Archive, { small, signal }: ToServe): Promise<Served> {
  if (source.kind === 'archive') return stageArchive(source, signal);
  const imagesDir = resolve(source.path);
  if (!(await holdsCheckpoint(imagesDir))) {
    const message = `Cannot serve pages from "${imagesDir}": it holds no whole checkpoint (inventory.img is missing)`;
    throw new CheckpointError('IMAGES_CORRUPT', message, { imagesDir });
  }
  if (small !== undefined) return stageInto(resolve(small), imagesDir, signal);
  const { needsStaging } = await import('../restore-chain.js');
  if (!(await needsStaging(imagesDir, signal)))
    return { imagesDir, named: imagesDir, async [Symbol.asyncDispose]() {} };
  const { stageWholeChain } = await import('../stage-chain.js');
  return { ...(await stageWholeChain({ imagesDir }, signal)), named: imagesDir };
}

async function stageInto(path: string, imagesDir: string, signal: AbortSignal): Promise<Served> {
  await mkdir(path, { mode: 0o700 }).catch(failIo(`Cannot make the directory "${path}" for the small images`, path));
  await using opened = new Held();
  opened.defer(() => rm(path, { recursive: true, force: true }));
  const { stageChainInto } = await import('../stage-chain.js');
  using fd = await openDirectory(path, 'itself');
  const chain = await stageChainInto({ imagesDir, named: imagesDir, signal }, { fd, path });
  opened.move();
  return { imagesDir: path, named: imagesDir, pages: { chain }, [Symbol.asyncDispose]: async () => chain.close() };
}

async function stageArchive(archive: Archive, signal: AbortSignal): Promise<Served> {
  const { stageLazily } = await import('../../archive/read/stage-lazily.js');
  const lazily = await stageLazily(archive, signal);
  if (lazily !== undefined) return { ...lazily, named: archive.name };
  const { stageImages } = await import('../../archive/read/stage.js');
  return { ...(await stageImages(archive, { signal, report: () => {} })), named: archive.name };
}
