// The plain layout of an image file: one or two magics, then entries, each with its length in front.

import { readFile } from 'node:fs/promises';
import { decodeEntry, type Entry, type EntryKind } from '../schema/images.js';
import { walkEntries } from './entry-walk.js';

const MAGIC_BYTES = 4;

export interface ImageLayout<K extends EntryKind> {
  readonly kind: K;
  readonly headerBytes: number;
}

/** CRIU's common magic, then the file's own. */
export const FILES_LAYOUT = { kind: 'file_entry', headerBytes: 2 * MAGIC_BYTES } as const;
/** Only its own. */
export const INVENTORY_LAYOUT = { kind: 'inventory_entry', headerBytes: MAGIC_BYTES } as const;

/**
 * What a CRIU that died in the middle has written so far: the entries that are whole. Empty when there is no such file. Not for
 * anything that must be complete, or right.
 */
export async function readWholeEntries<K extends EntryKind>(
  path: string,
  { kind, headerBytes }: ImageLayout<K>,
): Promise<readonly Entry<K>[]> {
  const bytes = await readFile(path).catch(() => Buffer.alloc(0));
  const entries: Entry<K>[] = [];
  for (const payload of walkEntries(bytes, headerBytes).payloads) {
    try {
      entries.push(decodeEntry(kind, payload));
    } catch {
      // A block of zeros, or the rest of something longer: nothing behind it can be trusted.
      break;
    }
  }
  return entries;
}
