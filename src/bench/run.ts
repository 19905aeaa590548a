/** What a run of any group is given and gives back. */
import type { RunFolders } from './host/workspace.js';
import type { Run, Scenario } from './model.js';
import type { Context } from './peers/peer.js';
import type { RunPhase } from './progress.js';

export interface RunJob extends Context {
  readonly scenario: Scenario;
  readonly folders: RunFolders;
  readonly seed: number;
  /** Also restore what was dumped, and ask the restored tree. */
  readonly restore: boolean;
  readonly enter: (phase: RunPhase) => void;
  readonly signal?: AbortSignal | undefined;
}

export type RunOutcome = Pick<Run, 'figures' | 'verified' | 'samples'>;

/** A peer failed: a fact about the peer, kept in its cell, and not the end of the benchmark. */
export class RunFailure extends Error {
  override readonly name = 'RunFailure';
  /** The end of what the peer printed and logged. */
  readonly log: string | undefined;

  constructor(message: string, options: { readonly log?: string | undefined; readonly cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.log = options.log;
  }
}
