// What a container is restored from, for as long as that takes: images, and of an archive what else is in it, as folders.

import { join } from 'node:path';
import type { Archive } from '../../archive/archive.js';
import { extractArchive } from '../../archive/lazily.js';
import { stageLazily } from '../../archive/read/stage-lazily.js';
import type { WalkProgress } from '../../archive/read/walk.js';
import type { Work } from '../../criu/operation.js';
import type { ImagesDirectory } from '../../criu/target.js';
import type { LazyPagesIn } from '../../images/lazy-pages-in.js';
import { openScratch } from '../../images/scratch.js';

export interface Content extends AsyncDisposable {
  readonly images: string;
  /** Absent: there are images alone. */
  readonly root: string | undefined;
  /** Where pages that may come lazily are, when not among the images. */
  readonly pages?: LazyPagesIn;
}

/** Rejects as extractArchive(). `lazily`: pages stay in an archive that allows it. */
export async function contentOf(
  from: Archive | ImagesDirectory,
  lazily: boolean,
  work: Work<WalkProgress>,
): Promise<Content> {
  if (from.kind === 'directory') return { images: from.path, root: undefined, [Symbol.asyncDispose]: async () => {} };
  const staged = lazily ? await stageLazily(from, work.signal, 'rest') : undefined;
  if (staged !== undefined) {
    const { imagesDir: images, root, pages } = staged;
    return { images, root, pages, [Symbol.asyncDispose]: () => staged[Symbol.asyncDispose]() };
  }
  const scratch = await openScratch('container');
  const dispose = (): Promise<void> => scratch[Symbol.asyncDispose]();
  const root = join(scratch.path, 'content');
  try {
    const run = extractArchive(from, root, { signal: work.signal });
    for await (const progress of run) work.emit(progress);
    await run.done;
    return { images: join(root, 'checkpoint'), root, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}
