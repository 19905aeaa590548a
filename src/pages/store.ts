// Where a dump's pages go first. Pure: the figures come in, the verdict and its reason go out, so that the report can say which way
// was taken and why.

/** `auto` absorbs when that shortens the freeze and the memory is there. */
export type Absorb = 'auto' | 'always' | 'never';

export interface StoreFacts {
  readonly absorb: Absorb;
  /** What the tree does after the dump. */
  readonly leaveRunning: boolean;
  readonly expectedBytes: number;
  readonly availableBytes: number;
}

export interface StoreChoice {
  /** `disk`: what a stream has to wait for lies in a nameless file. */
  readonly kind: 'memory' | 'directory' | 'archive' | 'disk';
  /** A clause: "the tree runs on, ..." */
  readonly why: string;
}

export interface StoreVerdict {
  readonly store: StoreChoice;
  /** For when there is no memory after all. */
  readonly otherwise: Exclude<StoreChoice['kind'], 'memory'>;
  /** Also when memory to absorb in comes more slowly than this. Default: it is waited for, as the tree runs meanwhile. */
  readonly leastBytesPerMs?: number;
}

// The tree may grow between estimate and freeze, and the sink makes so much ready (native/page/memory_store.cc, share_of()).
const HEADROOM = 1.25;
// The page cache of the target needs room to be written through.
const RESERVE_BYTES = 256 * 2 ** 20;

// A host that has to find memory for its guest first gives 0.2 to 1 GiB a second, others 5 and more (measured, two threads). CRIU and the page
// cache then suffer as much: an archive written straight to its file kept the tree frozen for an eighth of what CRIU did, and was there in
// 1 s instead of 7.6 s.
const LEAST_BYTES_PER_MS = 2 ** 30 / 1000;
// Until then threads have hardly begun.
const FIRST_LOOK_MS = 100;

/** Decides. `always` is the caller's word, which hasRoom() may have to break. */
export function chooseStore({ absorb, leaveRunning, expectedBytes, availableBytes }: StoreFacts): StoreChoice {
  if (absorb === 'never') return { kind: 'directory', why: 'absorb is never' };
  if (absorb === 'always') return { kind: 'memory', why: 'absorb is always' };
  if (!leaveRunning) return { kind: 'directory', why: 'the tree does not run on, so nothing waits for the pages' };
  if (!fits({ expectedBytes, availableBytes }))
    return { kind: 'directory', why: tooFew(availableBytes, expectedBytes) };
  return { kind: 'memory', why: 'the tree runs on, so its pages are absorbed first and written out afterwards' };
}

/**
 * Decides for an archive. A stream takes bytes only in order, and a tree that runs on must not wait for a disk or for compression: both
 * absorb. A file takes pages of a tree that will be killed as they come.
 */
export function chooseArchiveStore(facts: StoreFacts, output: 'file' | 'stream'): StoreVerdict {
  if (output === 'file') {
    const store = chooseStore(facts);
    if (store.kind === 'directory') return { store: { ...store, kind: 'archive' }, otherwise: 'archive' };
    return { store, otherwise: 'archive', leastBytesPerMs: LEAST_BYTES_PER_MS };
  }
  const { absorb, expectedBytes, availableBytes } = facts;
  if (absorb === 'never') return { store: { kind: 'disk', why: 'absorb is never' }, otherwise: 'disk' };
  if (absorb === 'always' || fits(facts))
    return { store: { kind: 'memory', why: 'a stream takes bytes only in order' }, otherwise: 'disk' };
  return { store: { kind: 'disk', why: tooFew(availableBytes, expectedBytes) }, otherwise: 'disk' };
}

/** Whether what was prepared in so much time says that the rest will be waited for. */
export function isTooSlow(least: number, preparedBytes: number, elapsedMs: number): boolean {
  return elapsedMs >= FIRST_LOOK_MS && preparedBytes < least * elapsedMs;
}

/** How much may be absorbed in memory before a disk has to help. */
export function budgetOf({ availableBytes }: StoreFacts): number {
  return Math.max(0, Math.round(availableBytes - RESERVE_BYTES));
}

/** Whether absorbing can go well at all. Memory that is not there is not refused by the kernel: it kills somebody for it. */
export function hasRoom({ expectedBytes, availableBytes }: StoreFacts): boolean {
  return expectedBytes * HEADROOM < availableBytes;
}

function fits({ expectedBytes, availableBytes }: Pick<StoreFacts, 'expectedBytes' | 'availableBytes'>): boolean {
  return expectedBytes * HEADROOM + RESERVE_BYTES <= availableBytes;
}

function tooFew(availableBytes: number, expectedBytes: number): string {
  return `${mebibytes(availableBytes)} of memory are too few to absorb ${mebibytes(expectedBytes)}`;
}

export function mebibytes(bytes: number): string {
  return `${Math.round(bytes / 2 ** 20)} MiB`;
}
