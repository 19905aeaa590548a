// Whether the pages that an images directory promises are there (native/page/verify.h).

import { type Job, type JobOptions, runJob } from './job.js';
import { native } from './load.js';
import type { Fd } from './native-core.js';
import type { BadImage } from './native-images.js';

export type { BadImage } from './native-images.js';

/** The first image of `names` (pagemaps) that is wrong, if any. IO when one cannot be read. */
export function verifyPages(
  directory: Fd,
  names: readonly string[],
  options: JobOptions = {},
): Job<BadImage | undefined> {
  return runJob('check the pages', options, () => native().verifyPages(directory, names));
}
