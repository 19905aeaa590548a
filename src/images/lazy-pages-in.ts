// Where the server of a lazy restore finds the pages, when CRIU is given a directory that has only their pagemaps.

import type { Fd } from '../addon/fd.js';

export type LazyPagesIn =
  /** `places`: a line for each pages file: its number, where it begins in the stream, and its length. */
  | { readonly archive: Fd; readonly places: Fd }
  /** An images directory, with its parents. */
  | { readonly chain: Fd }
  /**
   * A connection to whoever has them, in CRIU's page protocol. `chain` has those of which the pagemaps say that they are lazy, and not that
   * they are present.
   */
  | { readonly peer: Fd; readonly chain?: Fd };
