// pstree.img: who is in the checkpoint, under the pids of the namespace that it was dumped in.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CheckpointError } from '../errors/checkpoint-error.js';
import { decodeEntry, type Entry } from '../schema/images.js';
import { walkEntries } from './entry-walk.js';

const COMMON_MAGIC = 0x54564319;
const PSTREE_MAGIC = 0x50273030;
const HEADER_BYTES = 8;

export type TreeEntry = Entry<'pstree_entry'>;

/** The tasks of a checkpoint, root first. Throws IO, or IMAGES_CORRUPT. */
export async function readPstree(imagesDir: string): Promise<readonly TreeEntry[]> {
  const path = join(imagesDir, 'pstree.img');
  const bytes = await readFile(path).catch((cause: unknown) => {
    const message = `Cannot read the process tree: "${path}" cannot be opened. Is "${imagesDir}" an images directory?`;
    throw new CheckpointError('IO', message, { path }, { cause });
  });
  if (bytes.length < HEADER_BYTES || bytes.readUInt32LE(0) !== COMMON_MAGIC || bytes.readUInt32LE(4) !== PSTREE_MAGIC) {
    throw corrupt(path, 0);
  }
  const { payloads, end } = walkEntries(bytes, HEADER_BYTES);
  if (end < bytes.length) throw corrupt(path, end);
  return payloads.map((payload) => decodeEntry('pstree_entry', payload));
}

function corrupt(path: string, offset: number): CheckpointError<'IMAGES_CORRUPT'> {
  const message = `Cannot read "${path}" as a process tree: it is damaged at byte ${offset}`;
  return new CheckpointError('IMAGES_CORRUPT', message, { path, offset });
}
