// Members from files below a folder, and the attributes that Node cannot read (native/archive/members.h, native/sys/xattrs.h).

import { attempt } from './failure.js';
import { type Job, type JobOptions, runJob } from './job.js';
import { native } from './load.js';
import type { Fd } from './native-core.js';
import type { StreamCounters } from './native-images.js';
import type { ArchiveAddition } from './native-pages.js';

export interface MembersRequest {
  readonly folder: Fd;
  /** A pipe, a socket, or a file at its position. */
  readonly to: Fd;
  /** `name` is below the folder; what lies behind a link is refused (ELOOP). */
  readonly additions: readonly ArchiveAddition[];
}

/** Heads and contents, in this order. IO: EIO for a file that is shorter than was said, EINVAL for what is none any more. */
export function writeMembers(
  { folder, to, additions }: MembersRequest,
  options: JobOptions = {},
): Job<StreamCounters, StreamCounters> {
  return runJob('write files into the archive', options, () => native().writeMembers(folder, to, additions));
}

/** All that the file system tells us; of a link its own. */
export function readXattrs(path: string): ReadonlyMap<string, Uint8Array> {
  const found = attempt(`read the attributes of "${path}"`, () => native().readXattrs(path));
  return new Map(found.map(({ name, value }) => [name, value]));
}
