// The pagemaps of an images directory, and errors about what they promise.

import { readdir } from 'node:fs/promises';
import { constants } from 'node:os';
import { join } from 'node:path';
import { getSystemErrorName } from 'node:util';
import type { ImageFault } from '../addon/images.js';
import { CheckpointError } from '../errors/checkpoint-error.js';

const PAGEMAP = /^pagemap-(shmem-)?(\d+)\.img$/;

export interface PagemapName {
  readonly name: string;
  /** The memory of a task, or a shared memory object (also a memfd and System V shared memory). */
  readonly kind: 'task' | 'shmem';
  /** The task's pid in its own namespace, or the id of the object. */
  readonly id: number;
}

/** Tasks first, each kind by its ids. Throws IO. */
export async function listPagemaps(imagesDir: string): Promise<readonly PagemapName[]> {
  const names = await readdir(imagesDir).catch((cause: NodeJS.ErrnoException) => {
    const detail = { path: imagesDir, syscall: cause.syscall ?? 'open', errno: cause.code ?? 'unknown' };
    throw new CheckpointError('IO', `Cannot read the images directory "${imagesDir}": ${detail.errno}`, detail, {
      cause,
    });
  });
  const found = names.flatMap((name): readonly PagemapName[] => {
    const [, shmem, id] = PAGEMAP.exec(name) ?? [];
    return id === undefined ? [] : [{ name, kind: shmem === undefined ? 'task' : 'shmem', id: Number(id) }];
  });
  return found.sort((a, b) => (a.kind === b.kind ? a.id - b.id : a.kind === 'task' ? -1 : 1));
}

/** The file that a fault is about, by the way that leads there. */
export function pathOf(imagesDir: string, { level, name }: ImageFault): string {
  return join(imagesDir, ...new Array<string>(level).fill('parent'), name);
}

/** A clause: what is wrong, with address or offset. */
export function describeFault(fault: ImageFault): string {
  const { flaw, offset, pages, wanted, found } = fault;
  const address = `0x${fault.vaddr.toString(16)}`;
  switch (flaw) {
    case 'system':
      return systemFault(fault);
    case 'not-a-pagemap':
      return 'it is no pagemap';
    case 'truncated':
      return `it ends in the middle of the entry at byte ${offset}`;
    case 'malformed':
      return `the entry at byte ${offset} is damaged`;
    case 'newer':
      return `the entry at byte ${offset} has fields of a CRIU that is newer than this Frazil knows, such as those of compressed pages`;
    case 'not-sorted':
      return `the entry at byte ${offset}, for address ${address}, overlaps the one in front of it or is out of order`;
    case 'pages-missing':
      return `it is missing, and its pagemap needs ${wanted} bytes of it`;
    case 'pages-short':
      return `it holds ${found} of ${wanted} bytes`;
    case 'hole-unfilled':
      return `${pages} ${pages === 1 ? 'page' : 'pages'} at ${address} are to be in a parent, and no parent has them`;
    default:
      return unreachable(flaw);
  }
}

/** IMAGES_CORRUPT, FEATURE_MISSING for what is newer than we know, or IO. `action` completes "Cannot ...". */
export function imageError(action: string, imagesDir: string, fault: ImageFault): CheckpointError {
  const path = pathOf(imagesDir, fault);
  const message = `Cannot ${action} "${imagesDir}": ${path}: ${describeFault(fault)}`;
  const cause = { cause: fault };
  if (fault.flaw === 'newer') {
    return new CheckpointError('FEATURE_MISSING', message, { feature: 'images of a newer CRIU' }, cause);
  }
  if (fault.flaw === 'system' && !isBrokenLink(fault)) {
    return new CheckpointError('IO', message, { path, syscall: fault.syscall, errno: errnoName(fault.errno) }, cause);
  }
  return new CheckpointError('IMAGES_CORRUPT', message, { path, imagesDir, offset: fault.offset }, cause);
}

function isBrokenLink({ name, errno }: ImageFault): boolean {
  const broken: readonly number[] = [constants.errno.ENOENT, constants.errno.ELOOP, constants.errno.ENOTDIR];
  return name === 'parent' && broken.includes(errno);
}

function systemFault(fault: ImageFault): string {
  if (isBrokenLink(fault)) {
    return fault.errno === constants.errno.ELOOP
      ? 'the links lead in a circle, or the chain is longer than 4096 levels'
      : 'the link leads to no directory';
  }
  const where = fault.vaddr === 0n ? '' : ` at address 0x${fault.vaddr.toString(16)}`;
  return `${fault.syscall} failed with ${errnoName(fault.errno)}${where}`;
}

function errnoName(errno: number): string {
  return errno > 0 ? getSystemErrorName(-errno) : 'no error';
}

function unreachable(flaw: never): never {
  throw new TypeError(`Unknown flaw ${String(flaw)}`);
}
