// What a caller says of a lazy restore, and what comes back of its fill.

import type { Operation } from '../operation.js';

/** Where pages are served by CRIU's page protocol, which is plaintext and asks nobody who they are: for networks that are trusted. */
export interface PeerAddress {
  readonly address: string;
  readonly port: number;
}

export interface LazyOptions {
  /**
   * Fetches the pages from `criu dump --lazy-pages`, `criu page-server --lazy-pages` or servePages(), and not from the images, whose pagemaps say
   * which are there. Losing it ends the tree.
   */
  readonly pageServer?: PeerAddress;
  /**
   * Whether the fill goes on when this program ends. With `false` the tree is killed then: it could not go on without its pages.
   * Default: true.
   */
  readonly outlive?: boolean;
  /** Writes the order in which the tree asks for its pages into this file, for `replay`. */
  readonly record?: string;
  /** Fills in the order of an earlier restore of the same checkpoint first. */
  readonly replay?: string;
  /** Threads that fill, and as many that answer faults; 1 to 64. Default: 2, no more than there are processors. */
  readonly threads?: number;
  /** Slows the background down, to leave a disk or a network to others; faults are answered at once all the same. At least 1024. */
  readonly bytesPerSecond?: number;
  /**
   * Memory for what has been decompressed of a compressed archive, which later faults nearby and those of other copies are answered from. Up to
   * 1 TiB. Default: 256 MiB for copies, 32 MiB for one tree; it is taken as faults need it, and given back when all is filled.
   */
  readonly cacheBytes?: number;
}

/** How long tasks waited for pages, from the moment that the service heard of it. Rounded up to a quarter of a power of two, but never above `max`. */
export interface FaultLatency {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export interface FillProgress {
  readonly phase: 'filling';
  readonly bytes: number;
  readonly totalBytes: number;
  readonly bytesPerSecond?: number;
  readonly elapsedMs: number;
  /** Faults answered so far. */
  readonly faults: number;
  readonly faultLatencyUs: FaultLatency;
}

export interface FillReport {
  /** From the call of restore() until the tree ran: its first fault, or CRIU's word that it runs, whichever came first. */
  readonly firstInstructionMs: number;
  /** From the same moment until every page was there. */
  readonly filledMs: number;
  readonly faults: number;
  /** Of those, for memory that is zero by right. */
  readonly zeroFaults: number;
  readonly faultLatencyUs: FaultLatency;
  readonly bytes: {
    /** What the checkpoint left to be filled. */
    readonly total: number;
    readonly copied: number;
    readonly zero: number;
    /** Unmapped or given up by the tasks before it was there. */
    readonly dropped: number;
    /** In tasks that were forked since. */
    readonly forked: number;
    /** Before anybody asked, in the recorded order. */
    readonly replayed: number;
    /** Asked of the source. */
    readonly read: number;
    /** Filled with what had been read for another task: a copy of the tree, or one that was forked. */
    readonly shared: number;
    /** Of `read`: out of parts of a compressed archive that had been decompressed for another page or another copy. */
    readonly cached: number;
  };
  readonly tasks: number;
  readonly events: {
    readonly forks: number;
    readonly remaps: number;
    readonly removes: number;
    readonly unmaps: number;
  };
  /** Processor time of the service. */
  readonly cpuMs: number;
}

/** Rejects with LAZY_FAILED when the pages cannot be had: the tree has been killed then. Disposing kills it if it is not filled. */
export type Filling = Operation<FillProgress, FillReport>;
