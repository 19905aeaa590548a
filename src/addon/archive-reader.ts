// Parts of an archive, by their place in its uncompressed stream (native/archive/stream_file.h).

import { type Job, type JobOptions, runJob } from './job.js';
import { native } from './load.js';
import type { Fd } from './native-core.js';
import type { ArchivePart, NativeStaging } from './native-images.js';

/** At most 64 MiB. IO: ENODATA when the stream ends before, or is compressed without a seek table; EBADMSG when it is damaged; ELIBACC. */
export function readArchive(
  archive: Fd,
  { at, bytes }: { readonly at: number; readonly bytes: number },
  options: JobOptions = {},
): Job<ArchivePart> {
  return runJob('read the archive', options, () => native().readArchive(archive, at, bytes));
}

/** Makes the pages files of these pagemaps, holding only what may not come lazily. IO as above; ENOENT for pages that are nowhere. */
export function stageEager(request: NativeStaging, options: JobOptions = {}): Job<void> {
  return runJob('read pages out of the archive', options, () => native().stageEager(request));
}
