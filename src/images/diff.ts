// Two checkpoints of the same tree, page by page.

import { type DiffCounters, diffImages } from '../addon/images.js';
import { assertNotAborted } from '../errors/aborted.js';
import { imageError, listPagemaps, type PagemapName } from './pagemaps.js';
import { openDirectory } from './staging.js';

/** In the order of native/page/page_diff.h. zero: all zero in both; cleared: only in the second. */
export const CHANGES = ['same', 'changed', 'zero', 'cleared', 'only-first', 'only-second'] as const;
export type Change = (typeof CHANGES)[number];

export interface DiffRun {
  readonly address: bigint;
  readonly pages: number;
  readonly change: Change;
}

export interface ImageDiff {
  readonly in: Pick<PagemapName, 'kind' | 'id'>;
  readonly pages: Readonly<Record<Change, number>>;
  /** Ascending; read from the addon's answer as they are asked for, as there may be a million. */
  runs(): Iterable<DiffRun>;
}

export interface DiffReport {
  readonly first: string;
  readonly second: string;
  /** Tasks, then shared memory objects, of either. */
  readonly images: readonly ImageDiff[];
  readonly pages: Readonly<Record<Change, number>>;
  /** What had to be read: pages that both have in the same place of the same file are equal without. */
  readonly bytesRead: number;
}

export interface DiffOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called once, with where the figures of the moment can be had. */
  readonly watch?: (snapshot: () => DiffCounters) => void;
}

/** Compares the memory that both hold, each through its own parents. Throws IMAGES_CORRUPT, FEATURE_MISSING, IO, ABORTED. */
export async function diffMemory(first: string, second: string, options: DiffOptions = {}): Promise<DiffReport> {
  assertNotAborted(`compare "${first}" with "${second}"`, options.signal);
  const both = [...(await listPagemaps(first)), ...(await listPagemaps(second))];
  const images = [...new Map(both.map((image) => [image.name, image])).values()].sort(byKindAndId);
  using firstDirectory = await openDirectory(first);
  using secondDirectory = await openDirectory(second);
  const names = images.map(({ name }) => name);
  const job = diffImages([firstDirectory, secondDirectory], names, { signal: options.signal });
  options.watch?.(() => job.snapshot());
  const { fault, side, images: answers = [] } = await job.done;
  if (fault !== undefined) throw imageError('compare', side === 1 ? second : first, fault);
  const diffs = images.map((image, index) => toDiff(image, answers[index] ?? new Uint8Array()));
  return { first, second, images: diffs, pages: total(diffs), bytesRead: job.snapshot().bytesRead };
}

function byKindAndId(a: PagemapName, b: PagemapName): number {
  return a.kind === b.kind ? a.id - b.id : a.kind === 'task' ? -1 : 1;
}

const RUN_BYTES = 24;

function toDiff({ kind, id }: PagemapName, answer: Uint8Array): ImageDiff {
  const view = new DataView(answer.buffer, answer.byteOffset, answer.byteLength);
  const pages = none();
  for (let at = 0; at < answer.length; at += RUN_BYTES) pages[changeAt(view, at)] += pagesAt(view, at);
  return {
    in: { kind, id },
    pages,
    *runs() {
      for (let at = 0; at < answer.length; at += RUN_BYTES) {
        yield { address: view.getBigUint64(at, true), pages: pagesAt(view, at), change: changeAt(view, at) };
      }
    },
  };
}

function pagesAt(view: DataView, at: number): number {
  return Number(view.getBigUint64(at + 8, true));
}

function changeAt(view: DataView, at: number): Change {
  const change = CHANGES[view.getUint8(at + 16)];
  if (change === undefined) throw new TypeError('Unknown change: the addon is of another version');
  return change;
}

function none(): Record<Change, number> {
  return { same: 0, changed: 0, zero: 0, cleared: 0, 'only-first': 0, 'only-second': 0 };
}

function total(diffs: readonly ImageDiff[]): Record<Change, number> {
  const sum = none();
  for (const { pages } of diffs) for (const change of CHANGES) sum[change] += pages[change];
  return sum;
}
