// One row of the diagnosis table: what CRIU prints, what it means, what helps. Rows are data, so that explain(), the
// documentation and the tests read the same thing.
//
// `reason` and `remedy` are templates. `{name}` is a named group of `match`, or a place that the log tells before the line:
// pid, fd, path, inode, port, address. A part in <angle brackets> disappears when one of its names is unknown.

import type { OptionHint } from '../diagnosis.js';

export type Rank =
  /** CRIU stops because of this. */
  | 'cause'
  /** Says that something below failed; shown only when nothing better was found. */
  | 'symptom'
  /** Follows from an earlier failure; never shown. */
  | 'consequence'
  /** CRIU prints it in runs that succeed. */
  | 'harmless';

export type Near = 'pid' | 'fd' | 'path' | 'inode' | 'port' | 'address';

export interface Rule {
  readonly id: string;
  /** Tried on the line without timestamp, pid and level prefix. */
  readonly match: RegExp;
  readonly reason: string;
  readonly remedy?: string;
  readonly option?: OptionHint;
  /** 'cause' when absent. */
  readonly rank?: Rank;
  /** CRIU prints this one below the error level, so every line must be looked at. */
  readonly anyLevel?: true;
  /** Which places named earlier in the log belong to this line; a group of `match` wins over them. */
  readonly near?: readonly Near[];
}
