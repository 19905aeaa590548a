// Serves pages of images to a peer (native/page/page_feeder.h).

import { type Job, type JobOptions, runJob } from './job.js';
import { native } from './load.js';
import type { FeedCounters, FeedFailure, NativeFeeding } from './native-pages.js';

export type { FeedCounters, FeedFailure } from './native-pages.js';

/** Until the peer has closed; consumes the socket. What it or the images did wrong is in the value. */
export function feedPages(what: NativeFeeding, options: JobOptions = {}): Job<FeedFailure | undefined, FeedCounters> {
  return runJob('serve pages', options, () => native().feedPages(what));
}
