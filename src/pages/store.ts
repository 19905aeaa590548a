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
  readonly kind: 'memory' | 'directory';
  /** A clause: "the tree runs on, ..." */
  readonly why: string;
}

// The tree may grow between estimate and freeze, and the sink makes so much ready (native/page/memory_store.cc, share_of()).
const HEADROOM = 1.25;
// The page cache of the target needs room to be written through.
const RESERVE_BYTES = 256 * 2 ** 20;

/** Decides. `always` is the caller's word, which hasRoom() may have to break. */
export function chooseStore({ absorb, leaveRunning, expectedBytes, availableBytes }: StoreFacts): StoreChoice {
  if (absorb === 'never') return { kind: 'directory', why: 'absorb is never' };
  if (absorb === 'always') return { kind: 'memory', why: 'absorb is always' };
  if (!leaveRunning) return { kind: 'directory', why: 'the tree does not run on, so nothing waits for the pages' };
  if (expectedBytes * HEADROOM + RESERVE_BYTES > availableBytes) {
    return {
      kind: 'directory',
      why: `${mebibytes(availableBytes)} of memory are too few to absorb ${mebibytes(expectedBytes)}`,
    };
  }
  return { kind: 'memory', why: 'the tree runs on, so its pages are absorbed first and written out afterwards' };
}

/** Whether absorbing can go well at all. Memory that is not there is not refused by the kernel: it kills somebody for it. */
export function hasRoom({ expectedBytes, availableBytes }: StoreFacts): boolean {
  return expectedBytes * HEADROOM < availableBytes;
}

export function mebibytes(bytes: number): string {
  return `${Math.round(bytes / 2 ** 20)} MiB`;
}
