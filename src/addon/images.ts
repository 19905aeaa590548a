// What native/page knows of finished images: chains verified, squashed and deduplicated, memory searched and compared. A fault of the
// images is in the value; src/images makes the error of it.

import type { Fd } from './fd.js';
import { type Job, type JobOptions, runJob } from './job.js';
import { native } from './load.js';
import type {
  ChainOutcome,
  DiffCounters,
  ImageFault,
  MemoryPatch,
  NativeMatch,
  NativeSearchOptions,
  SearchCounters,
  SquashCounters,
} from './native-images.js';

export type {
  ChainOutcome,
  DiffCounters,
  ImageFault,
  MemoryPatch,
  NativeMatch,
  SearchCounters,
  SquashCounters,
} from './native-images.js';

/** Prints the pagemap `image` as crit does, into `out`. A fault leaves the text cut off after `bytes`. */
export function printPagemap(
  image: Fd,
  out: Fd,
  { pretty, ...options }: JobOptions & { readonly pretty: boolean },
): Job<{ readonly fault?: ImageFault; readonly bytes: number }> {
  return runJob('print the pagemap', options, () => native().printPagemap(image, out, pretty));
}

/** All faults of the pagemaps `names`, at most `limit`. */
export function checkChain(
  directory: Fd,
  names: readonly string[],
  { limit, ...options }: JobOptions & { readonly limit: number },
): Job<ChainOutcome & { readonly faults: readonly ImageFault[] }> {
  return runJob('verify the chain', options, () => native().verifyChain(directory, names, limit));
}

/** Bytes of the memory of one pagemap, at most 16 MiB. */
export function readMemory(
  directory: Fd,
  { name, vaddr, bytes }: { readonly name: string; readonly vaddr: bigint; readonly bytes: number },
  options: JobOptions = {},
): Job<{ readonly fault?: ImageFault; readonly bytes?: Uint8Array }> {
  return runJob('read the memory', options, () => native().readMemory({ directory, name, vaddr, bytes }));
}

/** Writes a level above `directory` that differs in the patches alone into `to`. */
export function overlayImages(
  directory: Fd,
  images: readonly { readonly name: string; readonly patches: readonly MemoryPatch[] }[],
  { to, ...options }: JobOptions & { readonly to: Fd },
): Job<{ readonly fault?: ImageFault }> {
  return runJob('change the memory', options, () => native().overlayImages(directory, images, to));
}

/** Where an image may come lazily: addresses of whole pages, ascending, disjoint. */
export interface LazyRanges {
  readonly name: string;
  readonly ranges: readonly { readonly from: bigint; readonly to: bigint }[];
}

/** Writes the chain of `directory` into `to` as one level, with only those pages that may not come lazily. */
export function stageChain(
  directory: Fd,
  images: readonly LazyRanges[],
  { to, ...options }: JobOptions & { readonly to: Fd },
): Job<{ readonly fault?: ImageFault }> {
  return runJob('stage the chain', options, () => native().stageChain({ directory, images: given(images), to }));
}

/** The pagemaps among `names` that have pages and mark none as lazy. Those that cannot be read are not among them. */
export function unmarkedPagemaps(
  directory: Fd,
  names: readonly string[],
  options: JobOptions = {},
): Job<readonly string[]> {
  return runJob('look at the pagemaps', options, () => native().unmarkedPagemaps(directory, names));
}

/** Marks in the pagemaps of `directory` themselves what may come lazily. */
export function markPagemaps(
  directory: Fd,
  images: readonly LazyRanges[],
  options: JobOptions = {},
): Job<{ readonly fault?: ImageFault }> {
  return runJob('mark the pagemaps', options, () => native().markPagemaps(directory, given(images)));
}

function given(images: readonly LazyRanges[]): readonly { readonly name: string; readonly lazy: Uint8Array }[] {
  return images.map(({ name, ranges }) => ({ name, lazy: pairsOf(ranges) }));
}

function pairsOf(ranges: LazyRanges['ranges']): Uint8Array {
  return new Uint8Array(new BigUint64Array(ranges.flatMap(({ from, to }) => [from, to])).buffer);
}

/** Frees in all ancestors what `directory` has itself. */
export function dedupChain(directory: Fd, names: readonly string[], options: JobOptions = {}): Job<ChainOutcome> {
  return runJob('deduplicate the chain', options, () => native().dedupChain(directory, names));
}

/** Writes pagemaps and pages that need no parent into `to`, and syncs them. */
export function squashImages(
  directory: Fd,
  names: readonly string[],
  { to, ...options }: JobOptions & { readonly to: Fd },
): Job<{ readonly fault?: ImageFault; readonly depth: number }, SquashCounters> {
  return runJob('squash the chain', options, () => native().squashImages(directory, names, to));
}

export function searchImages({
  signal,
  ...options
}: JobOptions & NativeSearchOptions): Job<
  { readonly fault?: ImageFault; readonly truncated: boolean; readonly matches: readonly NativeMatch[] },
  SearchCounters
> {
  return runJob('search the memory', { signal }, () => native().searchMemory(options));
}

/** `images`: for each name its runs, three little-endian u64 each: address, pages, change (native/page/page_diff.h). */
export function diffImages(
  [first, second]: readonly [Fd, Fd],
  names: readonly string[],
  options: JobOptions = {},
): Job<{ readonly fault?: ImageFault; readonly side?: 0 | 1; readonly images?: readonly Uint8Array[] }, DiffCounters> {
  return runJob('compare the checkpoints', options, () => native().diffImages(first, second, names));
}
