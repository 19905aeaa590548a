// Where the memory of a task may come lazily. CRIU marks that page by page in its dump (criu/mem.c), but not where it leaves pages to a
// parent; there it follows from the task's mappings and from where its threads have their stacks.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { LazyRanges } from '../addon/images.js';
import type { Entry } from '../schema/images.js';
import { decodeImage, type ImageEntry } from './codec/decode.js';
import { listPagemaps } from './pagemaps.js';
import { readPstree } from './pstree.js';

type Vma = Entry<'vma_entry'>;
type Ranges = LazyRanges['ranges'];

const PAGE = 4096n;

// mmap(2).
const MAP_PRIVATE = 0x2;
const MAP_ANONYMOUS = 0x20;
const MAP_LOCKED = 0x2000;
const MAP_HUGETLB = 0x40000;
// criu/include/image.h, VMA_AREA_*: vsyscall, vdso, vvar, ring of aio, shadow stack, guard.
const KERNELS_OWN = (1 << 2) | (1 << 3) | (1 << 12) | (1 << 13) | (1 << 15) | (1 << 16);

/** For each pagemap; shared memory has none. Throws IMAGES_CORRUPT or IO. */
export async function lazyRanges(imagesDir: string): Promise<readonly LazyRanges[]> {
  const tasks = await readPstree(imagesDir);
  const threads = new Map(tasks.map((task) => [task.pid, task.threads]));
  const pagemaps = await listPagemaps(imagesDir);
  const found: LazyRanges[] = [];
  for (const { name, kind, id } of pagemaps) {
    const ranges = kind === 'task' ? await rangesOf(imagesDir, id, threads.get(id) ?? [id]) : [];
    found.push({ name, ranges });
  }
  return found;
}

async function rangesOf(imagesDir: string, pid: number, threads: readonly number[]): Promise<Ranges> {
  const stacks: bigint[] = [];
  for (const tid of threads) {
    const pointer = await stackPointer(imagesDir, tid);
    // Of a processor that we do not know: nothing of it is lazy.
    if (pointer === undefined) return [];
    stacks.push(pointer - (pointer % PAGE));
  }
  const [mm] = await entries(imagesDir, `mm-${pid}.img`);
  if (mm?.kind !== 'mm_entry') return [];
  return without((mm.message.vmas ?? []).filter(mayBeLazy), stacks);
}

// vma_entry_can_be_lazy() in criu/include/vma.h, by which its restorer prepares mappings, too.
function mayBeLazy({ flags, status }: Vma): boolean {
  const wanted = MAP_PRIVATE | MAP_ANONYMOUS;
  return (flags & wanted) === wanted && (flags & (MAP_LOCKED | MAP_HUGETLB)) === 0 && (status & KERNELS_OWN) === 0;
}

/** The mappings, ascending, less the pages that begin at `stacks`. */
function without(vmas: readonly Vma[], stacks: readonly bigint[]): Ranges {
  const ascending = vmas.toSorted((a, b) => (a.start < b.start ? -1 : 1));
  return ascending.flatMap(({ start, end }) => {
    const inside = [...new Set(stacks)].filter((at) => at >= start && at < end).sort((a, b) => (a < b ? -1 : 1));
    const borders = [start, ...inside.flatMap((at) => [at, at + PAGE]), end];
    return borders.flatMap((from, i) => {
      const to = borders[i + 1];
      return i % 2 === 0 && to !== undefined && from < to ? [{ from, to }] : [];
    });
  });
}

async function stackPointer(imagesDir: string, tid: number): Promise<bigint | undefined> {
  const [core] = await entries(imagesDir, `core-${tid}.img`);
  if (core?.kind !== 'core_entry') return undefined;
  return (core.message.thread_info ?? core.message.ti_aarch64)?.gpregs.sp;
}

async function entries(imagesDir: string, name: string): Promise<readonly ImageEntry[]> {
  const path = join(imagesDir, name);
  const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    // CRIU says what it misses.
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  return bytes === undefined ? [] : decodeImage(bytes, path).entries;
}
