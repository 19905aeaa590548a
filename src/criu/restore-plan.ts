// What restore.ts asks of restoring.ts.

import type { LazyPagesIn } from '../images/lazy-pages-in.js';
import type { EncodedOptions } from '../options/request.js';
import type { RestoreOptions } from '../options/types.js';
import type { Notify } from '../rpc/session.js';
import type { Arriving } from './arriving.js';
import type { LazyOptions } from './lazy/options.js';

/** The last point that CRIU has reached. */
export interface RestoreProgress {
  readonly phase: 'reading' | 'starting' | 'namespaces' | 'restoring' | 'resuming';
  readonly elapsedMs: number;
  /** Of an archive's uncompressed stream, while it is read. */
  readonly bytes?: number;
}

export interface RestorePlan {
  readonly imagesDir: string;
  /** What messages call it, when that is not its path. */
  readonly named?: string;
  readonly criu: string | undefined;
  /** Told the pid of the CRIU that will do it. */
  readonly onCriu?: (pid: number) => void;
  /** The images are still on their way: CRIU is started all the same, and gets ready until it needs the first of them. */
  readonly arriving?: Arriving;
  readonly notify: Notify | undefined;
  readonly options: RestoreOptions;
  readonly lazy: LazyOptions | undefined;
  /** CLOCK_MONOTONIC in nanoseconds: when restore() was called. Default: when CRIU is started. */
  readonly asked?: number;
  /** Where the pages are that may come lazily, when they are not in the images directory. */
  readonly pages?: LazyPagesIn;
  readonly encode: (own: { readonly images_dir_fd: number; readonly work_dir_fd: number }) => EncodedOptions;
}
