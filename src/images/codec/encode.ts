// Typed entries as an image file: the bytes that CRIU would write.

import { type EntryKind, encodeEntry } from '../../schema/images.js';
import type { Image, ImageEntry } from './decode.js';
import { extraBytes, lengthOf } from './extras.js';
import { type EntryRow, type ImageName, imageType, PREFIXES, type Prefix } from './types.js';

/** Throws TypeError or RangeError, naming entry and field, for what does not fit. */
export function encodeImage({ name, prefix, entries }: Image): Buffer {
  const pieces: Uint8Array[] = [headerBytes(name, prefix)];
  for (const [index, entry] of entries.entries()) pieces.push(...entryPieces(name, entry, index));
  return Buffer.concat(pieces);
}

export function headerBytes(name: ImageName, prefix: Prefix = imageType(name).prefix): Buffer {
  const magics = [PREFIXES[prefix], imageType(name).magic].filter((magic) => magic !== undefined);
  const bytes = Buffer.alloc(magics.length * Uint32Array.BYTES_PER_ELEMENT);
  for (const [i, magic] of magics.entries()) bytes.writeUInt32LE(magic, i * Uint32Array.BYTES_PER_ELEMENT);
  return bytes;
}

/** What the entry at `index` of an image must be. */
export function entryRow(name: ImageName, index: number): EntryRow {
  const { first, entry } = imageType(name);
  return index === 0 && first !== undefined ? first : entry;
}

/** One entry with its length and its extra. Throws TypeError or RangeError. */
export function entryPieces(name: ImageName, entry: ImageEntry, index: number): readonly Uint8Array[] {
  const { kind, extra } = entryRow(name, index);
  if (entry.kind !== kind) throw new TypeError(`entries[${index}]: ${entry.kind} in place of a ${kind}`);
  try {
    const payload = encodeEntry<EntryKind>(kind, entry.message);
    return [lengthOf(payload), payload, ...(extra === undefined ? [] : extraBytes(extra, entry.extra, entry.message))];
  } catch (cause) {
    throw placed(cause, `entries[${index}]`);
  }
}

function placed(cause: unknown, place: string): unknown {
  if (cause instanceof RangeError) return new RangeError(`${place}: ${cause.message}`, { cause });
  return cause instanceof TypeError ? new TypeError(`${place}: ${cause.message}`, { cause }) : cause;
}
