/** What a caller asks of the harness, and how it is told what happens. */
import type { Destination } from './model.js';
import type { BenchProgress } from './progress.js';

export interface BenchRequest {
  /** A group (`dump`, `version`: its first scenario) or a scenario (`dump/tree`), as `listBench()` names them. */
  readonly scenario: string;
  /** Peers as `listBench()` names them, the baseline first; default: all of the group. The same name twice is an A/A test; `frazil@DIR` is another checkout. */
  readonly peers?: readonly string[];
  /** Counted runs per peer (default 5). */
  readonly runs?: number;
  /** Runs per peer before those, shown in the JSON but in no statistic (default 1). The first run of a peer is also restored. */
  readonly warmups?: number;
  readonly sizeBytes?: number;
  readonly processes?: number;
  readonly threads?: number;
  readonly dirtyBytesPerSecond?: number;
  readonly entropy?: number;
  readonly zeroShare?: number;
  readonly leaveRunning?: boolean;
  readonly destination?: Destination;
  /** Seed of the memory's content and of the bootstrap (default 1). */
  readonly seed?: number;
  /** CRIU binary for every peer; default: as the verbs find it. */
  readonly criu?: string;
  /** Files to write when all is done. */
  readonly json?: string;
  readonly svg?: string;
  readonly html?: string;
}

export interface BenchUi {
  /** Called on every step; `progressLine(p)` is the line to show. Must not throw. */
  report(progress: BenchProgress): void;
}
