// What migrate() takes, and what it tells.

import type { PageCodec } from '../../addon/page-streams.js';
import type { DumpOptions } from '../../options/types.js';
import type { NetworkSwitch } from '../network/switch.js';
import type { CertificateFiles } from '../wire/security.js';

/** How changed pages are found: by the kernel, or by comparing digests. */
export type Tracking = 'soft-dirty' | 'digest';

export interface MigrateOptions {
  /** HOST:PORT, [IPV6]:PORT or unix:PATH of a receiver. */
  readonly to: string;
  /** What the receiver has printed: who it is, and that we may. */
  readonly token?: string;
  /** TLS with certificates of your own instead of a token. */
  readonly certificates?: CertificateFiles;
  /** Everything in plaintext: the receiver must want it, too. */
  readonly plaintext?: boolean;
  /** Page streams, 1 to 16. Default: as many as there are processors to fill them, and as the delay of the link needs. */
  readonly streams?: number;
  /**
   * Compression of pages on their way. Default `auto`: with the fastest that both sides have, frame by frame, whenever the link is slower
   * than the compressor, as both are measured; `lz4` and `zstd` try every frame.
   */
  readonly compress?: 'auto' | 'none' | PageCodec;
  /**
   * Pages that are sent again travel as what differs from what was sent before. Default `auto`: while finding that out takes less time than it
   * saves on the link, as both are measured; `always` tries every page.
   */
  readonly delta?: 'auto' | 'none' | 'always';
  /**
   * Memory for what was sent of pages that are sent again, in bytes. Taken only as far as it is needed. Default: an eighth of the tree, at
   * least 16 MiB and at most 256 MiB.
   */
  readonly deltaCacheBytes?: number;
  /**
   * How pages that have changed are found. Default `auto`: the kernel tells where it can (soft-dirty), and else by their digests.
   * `soft-dirty` on a kernel without it is FEATURE_MISSING. What may leave pages behind iterations (`mode: 'hybrid'`, `whenDiverging: 'lazy'`) is always
   * by digest.
   */
  readonly tracking?: 'auto' | Tracking;
  /**
   * Default `pre-copy`: the tree arrives whole. `post-copy`: it runs there at once, and fetches its memory from here; `hybrid`: so it does with what
   * has changed since the iterations, of which there is one by default. While it lacks pages its loss, ours or that of the connection ends it.
   */
  readonly mode?: 'pre-copy' | 'post-copy' | 'hybrid';
  /**
   * A folder, empty or new, that gets a checkpoint of the tree, as it was when it was frozen, when the copy is lost while it lacks pages; also
   * when this process is killed then.
   */
  readonly rescueTo?: string;
  /** The downtime to aim at: iterations end when it is predicted. Default: 250. */
  readonly maxDowntimeMs?: number;
  /** At most so many before the final dump; 0: none at all. Default: 30, with `hybrid` 1. */
  readonly maxIterations?: number;
  /** Give up after so long. Default: never. */
  readonly maxTotalMs?: number;
  /** Give up when so much was sent. Default: never. */
  readonly maxBytes?: number;
  /**
   * What to do with a tree that changes its memory faster than the link carries it. `lazy`: what has changed stays behind, as with `hybrid`.
   * Default: `give-up`; with `hybrid` always `lazy`.
   */
  readonly whenDiverging?: 'give-up' | 'stop' | 'lazy';
  /**
   * Slows a tree down that changes its memory faster than the link carries it, by at most this share of the processor time that it used: above
   * 0, at most 0.95. By a limit on its cgroup, which it must have for itself (FEATURE_MISSING); lifted when it is frozen, or stays. Default: never.
   */
  readonly throttle?: { readonly max: number };
  /**
   * If this process is killed while only the destination knows where the tree lives, and nobody answers there: how long the guardian
   * goes on asking before it leaves the tree stopped and says so in a log. Default: an hour.
   */
  readonly guardianPatienceMs?: number;
  /** How CRIU dumps the tree in the end. */
  readonly dump?: Omit<
    DumpOptions,
    'leaveRunning' | 'leaveStopped' | 'parent' | 'autoDedup' | 'trackMem' | 'workDir' | 'logFile'
  >;
  /** Iterate and predict, then end without a final dump: the tree runs on here. */
  readonly dryRun?: boolean;
  /** Moves the address of the tree with it: network/switch.ts has the steps. The other end needs one, too. */
  readonly networkSwitch?: NetworkSwitch;
  /** Path of the CRIU to use. Default: FRAZIL_CRIU, the private prefix, PATH. */
  readonly criu?: string;
  readonly signal?: AbortSignal;
}

/** One iteration, or the final dump. */
export interface IterationReport {
  /** From 0. */
  readonly number: number;
  /** Of pages that were looked at. */
  readonly bytes: number;
  /** Of pages that had changed: what travelled, before any stage. */
  readonly changedBytes: number;
  readonly zeroPages: number;
  readonly samePages: number;
  /** Of pages that travelled as what differs from what was sent of them before; and what that took. */
  readonly patchedBytes: number;
  readonly patchBytes: number;
  /** Of pages that travelled compressed, before it. */
  readonly packedBytes: number;
  /** What all pages that travelled took. */
  readonly bodyBytes: number;
  /** With heads, seals and maps. */
  readonly wireBytes: number;
  readonly ms: number;
  /** Of that, until everything was looked at and handed to the link; the rest is waiting for the destination. */
  readonly lookMs: number;
  /** How long before the pages had been looked at, on average; of the first iteration never. */
  readonly sinceMs: number | undefined;
  /** Until the next iteration, how fast the tree changes its memory; known from the second one on. */
  readonly dirtyBytesPerSecond: number | undefined;
  /** The share of its processor time that the tree was denied meanwhile: 0 without a throttle. */
  readonly throttle: number;
  readonly wireBytesPerSecond: number;
  /** Processor time of the threads that send: reading pages; looking for zeros and comparing. */
  readonly readMs: number;
  readonly sortMs: number;
  /** In which they waited for the link, summed over them. */
  readonly stallMs: number;
  /** If the final dump came next; of the final dump, what it was. */
  readonly predictedDowntimeMs: number;
  /** Its parts; the final dump has none. */
  readonly predictedDowntime?: DowntimeParts;
  /** What it would be if nothing had changed: no further iteration gets below. Of the final dump, what it was. */
  readonly leastDowntimeMs: number;
}

export type MigrateProgress =
  /** It runs there. `bytes` were given out, of `totalBytes` that were left behind. */
  | {
      readonly phase: 'filling';
      readonly elapsedMs: number;
      readonly bytes: number;
      readonly totalBytes: number;
    }
  | { readonly phase: 'connecting' | 'final' | 'restoring' | 'committing' | 'undecided'; readonly elapsedMs: number }
  | {
      readonly phase: 'iterating';
      readonly elapsedMs: number;
      readonly iteration: number;
      /** The ones that have ended. */
      readonly iterations: readonly IterationReport[];
      readonly wireBytes: number;
    };

export interface MigrateReport {
  /** The migrated root, at the destination. For a dry run: here. */
  readonly pid: number;
  readonly mode: 'pre-copy' | 'cold' | 'post-copy' | 'hybrid' | 'dry-run';
  readonly tracking: Tracking;
  /** Why it was chosen: a clause. */
  readonly trackingReason: string;
  readonly iterations: readonly IterationReport[];
  /** What each stage has saved; one that was not used is not there. */
  readonly stages: readonly StageReport[];
  /** Page streams, and why as many: a clause. */
  readonly streams: number;
  readonly streamsReason: string;
  /** All bytes of the page streams. */
  readonly wireBytes: number;
  readonly totalMs: number;
  /** From the freeze here to the word that the tree runs there, less half a round trip for the word. Absent for a dry run. */
  readonly downtimeMs: number | undefined;
  readonly predictedDowntimeMs: number;
  /** Its parts. Absent when nothing was predicted. */
  readonly predictedDowntime: DowntimeParts | undefined;
  /** Of the prediction, as a share of the downtime: 0.1 when it was too high by a tenth. Absent when nothing was predicted, or came. */
  readonly predictionError: number | undefined;
  readonly downtime: DowntimeParts | undefined;
  /** Of pages that were left behind. */
  readonly fill: LeftReport | undefined;
  /** Of the threads that sent pages. */
  readonly cpuMs: number;
  /** Time that they waited for the link. */
  readonly stallMs: number;
}

/** One of the ways in which pages travel as less than they are. */
export interface StageReport {
  readonly stage: 'zero' | 'unchanged' | 'delta' | 'compression';
  /** Of pages that it has taken. */
  readonly bytes: number;
  /** What was carried for them. */
  readonly carriedBytes: number;
}

/** Parts of the downtime, in milliseconds. */
export interface DowntimeParts {
  /** Until all tasks stand still, as CRIU says; 0 of a CRIU that did not live to say it. */
  readonly freeze: number;
  /** Dumping, and sending on the way. */
  readonly dump: number;
  /** What was still to be sent when CRIU had dumped. */
  readonly transfer: number;
  readonly restore: number;
  /** From the word that it may run to the word that it does, less half a round trip. */
  readonly resume: number;
}

/** How the copy got what was left behind. */
export interface LeftReport {
  /** From the word that it runs to the word that it has all. */
  readonly ms: number;
  /** That were left, and that were given out: what its tasks gave up meanwhile is not asked for. */
  readonly leftBytes: number;
  readonly bytes: number;
  readonly requests: number;
}
