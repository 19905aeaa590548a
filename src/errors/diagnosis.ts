// What a refusal of CRIU means, in words. Made by explain() from log lines, carried by CheckpointError, and shaped like a
// Finding of the doctor so that "will it work" and "why did it not" read the same.

/** The option of ours that helps, under its API name and its command-line flag. */
export interface OptionHint {
  readonly option: string;
  readonly flag: string;
}

/** One cause read from CRIU's log or stderr. `line` is 1-based; 0 says that the text came from elsewhere (stderr, the answer). */
export interface Diagnosis {
  /** Stable id of the rule, for programs: `tcp-established`, `ghost-too-big`, ... */
  readonly rule: string;
  /** A sentence without final full stop. */
  readonly reason: string;
  /** Imperative sentence with what to do, when there is something to do. */
  readonly remedy?: string;
  readonly option?: OptionHint;
  readonly pid?: number;
  readonly fd?: number;
  readonly path?: string;
  readonly inode?: number;
  readonly line: number;
  /** The line as CRIU printed it. */
  readonly text: string;
}
