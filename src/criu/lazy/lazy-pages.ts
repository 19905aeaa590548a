// Our server for a restore that somebody else starts: what `criu lazy-pages` is for `criu restore --lazy-pages`. The socket is where CRIU looks for
// it, in the work directory.

import { resolve } from 'node:path';
import { CheckpointError } from '../../errors/checkpoint-error.js';
import { Held } from '../../images/held.js';
import { holdsCheckpoint, openDirectory } from '../../images/staging.js';
import { fillingOf, nowNs } from './filling.js';
import type { Filling, LazyOptions } from './options.js';
import { startLazyService } from './service.js';

export interface LazyPagesCall extends LazyOptions {
  readonly imagesDir: string;
  /** CRIU's. Default: the images directory. */
  readonly workDir?: string;
  /** In the work directory. Default: `lazy-pages.log`. */
  readonly logFile?: string;
}

/** Resolves when it listens for one restore. Disposing the filling ends it, and the tree if it is not filled. Throws IMAGES_CORRUPT, IO or ADDON_MISSING. */
export async function lazyPages({
  imagesDir,
  workDir = imagesDir,
  logFile,
  ...options
}: LazyPagesCall): Promise<Filling> {
  const from = resolve(imagesDir);
  if (!(await holdsCheckpoint(from))) {
    const message = `Cannot serve pages from "${from}": it holds no whole checkpoint (inventory.img is missing)`;
    throw new CheckpointError('IMAGES_CORRUPT', message, { imagesDir: from });
  }
  await using opened = new Held();
  const images = opened.use(await openDirectory(from));
  const socketDir = opened.use(await openDirectory(resolve(workDir)));
  const asked = nowNs();
  const service = await startLazyService({
    options,
    images,
    imagesDir: from,
    socketDir,
    workDir: resolve(workDir),
    ...(logFile === undefined ? {} : { logFile }),
  });
  return fillingOf(service, { imagesDir: from, options }, { asked, running: undefined });
}
