// Which pages of a checkpoint belong to which mapping: `crit x DIR rss`. A pagemap can have a million runs, so they are given out one by
// one.

import type { Entry } from '../../schema/images.js';
import { readPstree } from '../pstree.js';
import { type ReadOptions, readOne, readPagemap } from './checkpoint.js';
import { type FileNames, readFileNames } from './file-names.js';
import { VMA } from './mems.js';
import { address } from './text.js';

const PAGE_SHIFT = 12n;

export interface RssArea {
  readonly start: bigint;
  readonly pages: number;
  readonly file?: string;
}

export type Rss =
  | { readonly kind: 'task'; readonly pid: number }
  | {
      readonly kind: 'run';
      readonly vaddr: bigint;
      readonly pages: number;
      /** The mappings that it lies in; `again` for the one that the run before ended in. */
      readonly areas: readonly (RssArea | 'again')[];
    };

/** Every task with its runs, in the order of pstree.img. Throws IO or IMAGES_CORRUPT. */
export async function* exploreRss(dir: string, options: ReadOptions = {}): AsyncGenerator<Rss> {
  const names = await readFileNames(dir);
  for (const { pid } of await readPstree(dir)) {
    yield { kind: 'task', pid };
    const vmas = (await readOne(dir, `mm-${pid}.img`, 'mm_entry'))?.vmas ?? [];
    const areas = new AreasInOrder(vmas, names);
    for await (const entry of readPagemap(dir, `pagemap-${pid}.img`, options)) {
      // CRIU before 4.2 has only the smaller field, and crit fails on its images.
      const pages = entry.nr_pages ?? BigInt(entry.compat_nr_pages);
      yield { kind: 'run', vaddr: entry.vaddr, pages: Number(pages), areas: areas.of(entry.vaddr, pages) };
    }
  }
}

const RUN_COLUMNS = 24;
const AREA_INDENT = 23;

export function rssLine(rss: Rss): string {
  if (rss.kind === 'task') return `${rss.pid}`;
  const run = `\t${rss.vaddr.toString(16)} / ${String(rss.pages).padEnd(8)}`.padEnd(RUN_COLUMNS);
  return run + rss.areas.map((area) => `${areaText(area)}\n\t${' '.repeat(AREA_INDENT)}`).join('');
}

function areaText(area: RssArea | 'again'): string {
  if (area === 'again') return ' ~';
  const file = area.file === undefined ? '' : ` ${area.file}`;
  return ` ${address(area.start)} / ${String(area.pages).padEnd(8)}${file}`;
}

/** Walks over mappings and runs side by side: both are sorted. */
class AreasInOrder {
  readonly #vmas: readonly Entry<'vma_entry'>[];
  readonly #names: FileNames;
  #next = 0;
  #last = -1;

  constructor(vmas: readonly Entry<'vma_entry'>[], names: FileNames) {
    this.#vmas = vmas;
    this.#names = names;
  }

  of(vaddr: bigint, pages: bigint): readonly (RssArea | 'again')[] {
    const end = vaddr + (pages << PAGE_SHIFT);
    const areas: (RssArea | 'again')[] = [];
    for (let vma = this.#vmas[this.#next]; vma !== undefined && vma.end <= vaddr; vma = this.#vmas[this.#next])
      this.#next += 1;
    for (let vma = this.#vmas[this.#next]; vma !== undefined && vma.start < end; vma = this.#vmas[this.#next]) {
      areas.push(this.#next === this.#last ? 'again' : this.#area(vma));
      this.#last = this.#next;
      this.#next += 1;
    }
    // The next run may begin in the last of these.
    this.#next = Math.max(this.#next - 1, 0);
    return areas;
  }

  #area({ start, end, status, shmid }: Entry<'vma_entry'>): RssArea {
    const isFile = (status & (VMA.filePrivate | VMA.fileShared)) !== 0;
    return {
      start,
      pages: Number((end - start) >> PAGE_SHIFT),
      ...(isFile ? { file: this.#names.of('REG', Number(shmid)) } : {}),
    };
  }
}
