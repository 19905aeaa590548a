// The mappings of the tasks of a checkpoint: `crit x DIR mems`.

import type { Entry } from '../../schema/images.js';
import { hexText } from '../crit/words.js';
import { readPstree } from '../pstree.js';
import { readOne } from './checkpoint.js';
import { type FileNames, readFileNames } from './file-names.js';
import { address } from './text.js';

/** Bits of vma_entry.status (criu/include/image.h). */
export const VMA = {
  regular: 2 ** 0,
  stack: 2 ** 1,
  vsyscall: 2 ** 2,
  vdso: 2 ** 3,
  filePrivate: 2 ** 6,
  fileShared: 2 ** 7,
  anonShared: 2 ** 8,
  sysvIpc: 2 ** 10,
  socket: 2 ** 11,
} as const;
const MAP_GROWSDOWN = 0x100;

export interface MemoryArea {
  readonly start: bigint;
  readonly end: bigint;
  /** Such as "rw-". */
  readonly protection: string;
  /** A path, [stack], shmem[1], ...; empty for what has no name. */
  readonly name: string;
  /** False for what CRIU does not make again, which the text marks with "*". */
  readonly regular: boolean;
}

export interface TaskMemory {
  readonly pid: number;
  /** Absent for a zombie, which has no memory; crit gives up there. */
  readonly exe?: string;
  readonly areas: readonly MemoryArea[];
}

/** In the order of pstree.img. Throws IO or IMAGES_CORRUPT. */
export async function exploreMems(dir: string): Promise<readonly TaskMemory[]> {
  const names = await readFileNames(dir);
  const shared = new SharedNumbers();
  const tasks: TaskMemory[] = [];
  for (const { pid } of await readPstree(dir)) {
    const mm = await readOne(dir, `mm-${pid}.img`, 'mm_entry');
    const areas = (mm?.vmas ?? []).map((vma) => areaOf(vma, names, shared));
    tasks.push({ pid, ...(mm === undefined ? {} : { exe: names.of('REG', mm.exe_file_id) }), areas });
  }
  return tasks;
}

const RANGE_COLUMNS = 36;

export function memsLines(tasks: readonly TaskMemory[]): readonly string[] {
  return tasks.flatMap(({ pid, exe, areas }) => [
    `${pid}`,
    ...(exe === undefined ? [] : [`\t${'exe'.padEnd(RANGE_COLUMNS)}    ${exe}`]),
    ...areas.map(areaLine),
  ]);
}

function areaLine({ start, end, protection, name, regular }: MemoryArea): string {
  const range = `${address(start)}-${address(end)}`.padEnd(RANGE_COLUMNS);
  return `\t${range}${protection}${name === '' ? '' : ` ${name}`}${regular ? '' : ' *'}`;
}

function areaOf(vma: Entry<'vma_entry'>, names: FileNames, shared: SharedNumbers): MemoryArea {
  const { start, end, prot, status } = vma;
  const protection = `${prot & 1 ? 'r' : '-'}${prot & 2 ? 'w' : '-'}${prot & 4 ? 'x' : '-'}`;
  return { start, end, protection, name: nameOf(vma, names, shared), regular: (status & VMA.regular) !== 0 };
}

function nameOf(vma: Entry<'vma_entry'>, names: FileNames, shared: SharedNumbers): string {
  const { status, flags, shmid } = vma;
  if (status & VMA.sysvIpc) return `ips[${shared.of(shmid)}]`;
  if (status & VMA.anonShared) return `shmem[${shared.of(shmid)}]`;
  if (status & VMA.socket) return `packet[${shared.of(shmid)}]`;
  if (status & (VMA.filePrivate | VMA.fileShared)) return fileName(vma, names);
  if (status & VMA.stack) return '[stack]';
  if (status & VMA.vsyscall) return '[vsyscall]';
  if (status & VMA.vdso) return '[vdso]';
  return flags & MAP_GROWSDOWN ? '[stack?]' : '';
}

function fileName({ status, shmid, pgoff }: Entry<'vma_entry'>, names: FileNames): string {
  const offset = pgoff === 0n ? '' : ` + ${hexText(pgoff)}`;
  return `${names.of('REG', Number(shmid))}${offset}${status & VMA.fileShared ? ' (s)' : ''}`;
}

/** Numbers objects that tasks share in the order in which they are met, from 1, in hexadecimal. */
class SharedNumbers {
  readonly #numbers = new Map<bigint, string>();

  of(id: bigint): string {
    const known = this.#numbers.get(id) ?? (this.#numbers.size + 1).toString(16);
    this.#numbers.set(id, known);
    return known;
  }
}
