// One call of libcriu, on a thread of its own.

import type { Fd } from './fd.js';
import { type Job, type JobOptions, runJob } from './job.js';
import { native } from './load.js';
import type { NativeJob } from './native-core.js';

/** A setter of libcriu: what it takes after `criu_opts*` is in `signature` (native/criu/libcriu.h). */
export interface LibcriuSetter {
  readonly symbol: string;
  readonly signature: string;
  readonly arguments: readonly (number | boolean | string | null)[];
}

export interface LibcriuCall {
  /** A path, or a name for the dynamic loader to find. */
  readonly library: string;
  readonly setters: readonly LibcriuSetter[];
  readonly symbol: string;
  /** Only for criu_local_feature_check: mem_track, lazy_pages, pidfd_store. */
  readonly features?: readonly [boolean, boolean, boolean];
}

export interface LibcriuOutcome {
  /** `symbol` names what was missing or failed; for `no-library` it is the loader's own sentence. */
  readonly kind: 'returned' | 'no-library' | 'no-symbol' | 'setter-failed' | 'busy';
  /** What the call returned. */
  readonly value: number;
  /** errno after it. */
  readonly errno: number;
  readonly symbol: string;
  readonly features: readonly boolean[];
}

interface NativeLibcriu {
  libcriu(call: LibcriuCall, service: Fd, channel: Fd): NativeJob<LibcriuOutcome>;
}

/**
 * Calls libcriu over `service`, our end of a swrk's socket; its notifications go out on `channel` and wait there for a reply. Both
 * are duplicated. A cancel hangs up on CRIU, which then lets go of what it was working on.
 */
export function callLibcriu(
  call: LibcriuCall,
  ends: { service: Fd; channel: Fd },
  options: JobOptions = {},
): Job<LibcriuOutcome> {
  const addon = native() as unknown as NativeLibcriu;
  return runJob('call libcriu', options, () => addon.libcriu(call, ends.service, ends.channel));
}
