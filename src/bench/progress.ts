export type RunPhase = 'filling' | 'dumping' | 'measuring' | 'verifying' | 'restoring' | 'done' | 'failed';

/** What `runBench` tells its caller while it runs. Plain snapshots: a reader that misses one loses nothing but the line. */
export type BenchProgress =
  | { readonly kind: 'preparing'; readonly step: string }
  | { readonly kind: 'left-out'; readonly peer: string; readonly reason: string }
  | RunProgress;

export interface RunProgress {
  readonly kind: 'run';
  readonly peer: string;
  readonly scenario: string;
  readonly warmup: boolean;
  /** From 1. */
  readonly run: number;
  readonly runs: number;
  readonly phase: RunPhase;
  /** Runs finished and planned over all peers: the bar. */
  readonly finished: number;
  readonly planned: number;
  readonly detail?: string;
}

/** One line without a newline, without colours; the command line adds the bar on a terminal. */
export function progressLine(progress: BenchProgress): string {
  switch (progress.kind) {
    case 'preparing':
      return `bench: ${progress.step}`;
    case 'left-out':
      return `bench: ${progress.peer} is left out: ${progress.reason}`;
    case 'run': {
      const which = progress.warmup ? 'warm-up' : `run ${progress.run}/${progress.runs}`;
      const detail = progress.detail === undefined ? '' : `: ${progress.detail}`;
      return `[${progress.finished}/${progress.planned}] ${progress.scenario} ${progress.peer} ${which} ${progress.phase}${detail}`;
    }
  }
}
