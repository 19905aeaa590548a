// An images directory as the place of a capture: see images/staging.ts.

import { mkdir, realpath } from 'node:fs/promises';
import { resolve } from 'node:path';
import { openPageSink } from '../addon/page-sink.js';
import { CheckpointError } from '../errors/checkpoint-error.js';
import { openParent } from '../images/parent.js';
import { holdsCheckpoint, openStaging } from '../images/staging.js';
import { chooseStore } from '../pages/store.js';
import { COPYING_THREADS, WRITING_THREADS } from '../pages/threads.js';
import type { CapturePlace } from './capture-place.js';
import type { ImagesDirectory } from './target.js';

export interface DirectoryPlan {
  readonly to: ImagesDirectory;
  readonly workDir: string | undefined;
  readonly parent: string | undefined;
  readonly sync: boolean;
}

/** Throws IO, or IMAGES_EXIST when there is a checkpoint that may not be replaced. */
export async function openDirectoryPlace({ to, workDir, parent, sync }: DirectoryPlan): Promise<CapturePlace> {
  const imagesDir = await makeDirectory(resolve(to.path), 'images directory');
  await assertReplaceable(imagesDir, to.replace);
  const place = workDir === undefined ? imagesDir : await makeDirectory(resolve(workDir), 'work directory');
  const staging = await openStaging(imagesDir);
  return {
    path: imagesDir,
    workDir: place,
    images: staging.images,
    choose: (facts) => ({ store: chooseStore(facts), otherwise: 'directory' }),
    async openSink({ store }) {
      const workers = store === 'directory' ? WRITING_THREADS : COPYING_THREADS;
      const options = { directory: staging.pages, store, workers, firstPagesId: 1 };
      if (parent === undefined) return openPageSink(options);
      using opened = await openParent(imagesDir, parent);
      return openPageSink({ ...options, parent: opened });
    },
    settle: (sink, signal) => sink.settle({ signal }).done,
    commit: () => staging.commit(parent, { sync }),
    [Symbol.asyncDispose]: () => staging[Symbol.asyncDispose](),
  };
}

// Returns what it really is: a link that is turned elsewhere meanwhile would tear the images apart.
async function makeDirectory(path: string, what: string): Promise<string> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
    return await realpath(path);
  } catch (cause) {
    const { code: errno = 'unknown', syscall = 'mkdir' } = cause as NodeJS.ErrnoException;
    throw new CheckpointError('IO', `Cannot make the ${what} "${path}": ${errno}`, { path, syscall, errno }, { cause });
  }
}

async function assertReplaceable(imagesDir: string, replace: boolean): Promise<void> {
  if (replace || !(await holdsCheckpoint(imagesDir))) return;
  const message = `Cannot dump into "${imagesDir}": it already holds a checkpoint. Choose another directory, or pass replace: true`;
  throw new CheckpointError('IMAGES_EXIST', message, { imagesDir });
}
