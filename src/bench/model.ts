/**
 * The nouns of the benchmark harness. A scenario and a peer are data; a cell is one scenario done by one peer; a run is one
 * measurement of a cell in processes of its own. What is kept is the series: every run with every parameter, never one number.
 */

export type Group =
  | 'dump'
  | 'archive'
  | 'directory'
  | 'decode'
  | 'search'
  | 'restore'
  | 'container'
  | 'container-export'
  | 'container-migrate'
  | 'migrate'
  | 'version';

/** Where image files go: a tmpfs, a file system on disk, or a directory that the caller chose. */
export type Destination =
  | { readonly kind: 'tmpfs' }
  | { readonly kind: 'disk' }
  | { readonly kind: 'path'; readonly path: string };

/** What lies between two hosts. */
export interface LinkShape {
  readonly bitsPerSecond: number;
  /** 0: as short as the kernel makes it. */
  readonly roundTripUs: number;
}

/** What the dumped tree is and does, and what is asked of the peer. All shares are in [0, 1]. */
export interface Scenario {
  /** `group/variant`: `dump/plain`. What is done with files that archives are made of is `archive/...`, too, and what moves containers `container/...`, with peers of their own. */
  readonly name: string;
  readonly group: Group;
  readonly title: string;
  /** Anonymous memory of the whole tree. */
  readonly sizeBytes: number;
  readonly processes: number;
  /** Threads per process, the first included. */
  readonly threads: number;
  /** Bytes of pages that the running tree makes dirty per second. */
  readonly dirtyBytesPerSecond: number;
  /** Share of the non-zero pages that does not compress. */
  readonly entropy: number;
  /** Share of the pages that were touched and hold zeros. */
  readonly zeroShare: number;
  readonly leaveRunning: boolean;
  /** Stages between the tasks' memory and the destination: `zstd`. */
  readonly stages: readonly string[];
  readonly destination: Destination;
  /** Of the groups `migrate` and `container-migrate` alone. */
  readonly link?: LinkShape;
  /** Of the group `restore`: one run is a run at each of these shares of `sizeBytes`. */
  readonly sizeShares?: readonly number[];
  /** Of the group `restore`: what is restored, in place of the tree. */
  readonly program?: 'node-server';
  /** What one run repeats inside its process: round trips for `version`, calls of `state` for a container; 1 for a dump. */
  readonly repeats: number;
}

export type MetricName =
  | 'frozen'
  | 'freezing'
  | 'wall'
  | 'durable'
  | 'call'
  | 'cpu'
  | 'cpuPerGib'
  | 'targetCpu'
  | 'peakMemory'
  | 'memoryGrowth'
  | 'criuMemory'
  | 'userBytes'
  | 'hostMemory'
  | 'bytesWritten'
  | 'bytesAllocated'
  | 'throughput'
  | 'session'
  | 'exchange'
  | 'first'
  | 'firstPerGib'
  | 'answer'
  | 'filled'
  | 'faults'
  | 'waits'
  | 'waitP50'
  | 'waitP99'
  | 'waitMax'
  | 'downtime'
  | 'ownDowntime'
  | 'predicted'
  | 'predictionError'
  | 'wireBytes'
  | 'iterations'
  | 'sourceCpu'
  | 'destinationCpu';

export type Unit = 'us' | 'bytes' | 'bytes/s' | 'count' | 'share';

/** One measurement's numbers. A metric that this peer cannot have, or that the run did not produce, is absent: never zero. */
export type Figures = Readonly<Partial<Record<MetricName, number>>>;

export interface Run {
  /** Numbered from 0 within the cell; warm-up runs have numbers of their own and are in no statistic. */
  readonly index: number;
  readonly warmup: boolean;
  /** Milliseconds since the benchmark began: shows order and drift. */
  readonly startedAtMs: number;
  readonly figures: Figures;
  /** Raw series inside the run (`version`: one number per round trip), in microseconds. */
  readonly samples?: Readonly<Partial<Record<MetricName, readonly number[]>>>;
  readonly verified: Verification;
}

/** How the bytes of a run were checked. There is no "unchecked" dump or restore: a run that cannot be verified fails its cell. */
export type Verification =
  | { readonly kind: 'images'; readonly pages: number; readonly digests: readonly string[]; readonly restored: boolean }
  | { readonly kind: 'answer'; readonly answer: string };

export interface CellFailure {
  readonly run: number;
  readonly reason: string;
  readonly log?: string;
}

export interface Cell {
  readonly scenario: Scenario;
  readonly peer: string;
  readonly peerTitle: string;
  readonly peerVersion: string;
  readonly runs: readonly Run[];
  /** Set when a run failed or its bytes were wrong: the cell has no further runs and no statistics. */
  readonly failure?: CellFailure;
}

export interface AbsentPeer {
  readonly peer: string;
  readonly reason: string;
}

export interface Environment {
  readonly frazilVersion: string;
  /** Commit of the checkout, absent in an installed package. */
  readonly commit?: string;
  readonly kernel: string;
  readonly architecture: string;
  readonly cpuModel: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly virtualization: string;
  readonly transparentHugepages: string;
  readonly nodeVersion: string;
  readonly criuVersion: string;
  readonly criuPath: string;
  readonly destinationPath: string;
  readonly destinationFilesystem: string;
  /** One-minute load average when the benchmark began: a busy machine explains a wide spread. */
  readonly loadAverage: number;
}

export interface BenchResult {
  readonly format: 'frazil-bench/1';
  readonly startedAt: string;
  readonly seed: number;
  readonly environment: Environment;
  /** In the order in which the peers were given; the first cell is the baseline of every comparison. */
  readonly cells: readonly Cell[];
  readonly absent: readonly AbsentPeer[];
}
