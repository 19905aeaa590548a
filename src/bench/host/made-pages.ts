/** Images that were never a process: a pagemap with as many entries as asked for, and pages with needles in them. CRIU's format, by hand. */
import { createHash, randomBytes } from 'node:crypto';
import { open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

// criu/include/magic.h: IMG_COMMON_MAGIC, PAGEMAP_MAGIC.
const MAGICS = [0x54564319, 0x56084025];
const PAGE_BYTES = 4096;
const FIRST_ADDRESS = 0x7f0000000000;
const PRESENT = 4;

export const MADE_PID = 4121;

/** Writes the pagemap of `runs`, and gives what `crit decode` makes of it, as the digest of its text without a newline at the end. */
export async function makePagemap(
  folder: string,
  entries: number,
): Promise<{ readonly path: string; readonly bytes: number; readonly digest: string }> {
  const path = join(folder, `pagemap-${MADE_PID}.img`);
  await using file = await open(path, 'w', 0o600);
  const text = createHash('sha256').update('{"magic": "PAGEMAP", "entries": [{"pages_id": 1}');
  let pieces = [magics(), message([1, 1])];
  for (let entry = 0; entry < entries; entry++) {
    // Every other page: none of them could be one with its neighbour.
    const vaddr = FIRST_ADDRESS + entry * 2 * PAGE_BYTES;
    pieces.push(message([1, vaddr], [2, 1], [4, PRESENT], [5, 1]));
    text.update(`, {"vaddr": ${vaddr}, "compat_nr_pages": 1, "flags": ${PRESENT}, "nr_pages": 1}`);
    if (pieces.length < PIECES) continue;
    await file.write(Buffer.concat(pieces));
    pieces = [];
  }
  await file.write(Buffer.concat(pieces));
  return { path, bytes: (await file.stat()).size, digest: text.update(']}').digest('hex') };
}

const PIECES = 16_384;

export interface Haystack {
  readonly needle: string;
  /** Where it is, in the pages file. */
  readonly offsets: readonly number[];
  readonly firstAddress: number;
}

// As a password or a key would lie in memory: long enough not to be there by chance.
const NEEDLE_BYTES = 24;
const BLOCK_BYTES = 2 ** 22;
const NEEDLES_PER_BLOCK = 2;

/** One task whose pages are random bytes, with a needle twice in 4 MiB; one of the two lies across two pages. */
export async function makeHaystack(folder: string, bytes: number): Promise<Haystack> {
  const pages = Math.floor(bytes / PAGE_BYTES);
  const needle = randomBytes(NEEDLE_BYTES / 2).toString('hex');
  const run = message([1, FIRST_ADDRESS], [2, pages], [4, PRESENT], [5, pages]);
  await writeFile(join(folder, `pagemap-${MADE_PID}.img`), Buffer.concat([magics(), message([1, 1]), run]));
  await using file = await open(join(folder, 'pages-1.img'), 'w', 0o600);
  const block = randomBytes(BLOCK_BYTES);
  const offsets: number[] = [];
  for (let at = 0; at < pages * PAGE_BYTES; at += BLOCK_BYTES) {
    const piece = Buffer.from(block.subarray(0, Math.min(BLOCK_BYTES, pages * PAGE_BYTES - at)));
    for (const place of placesIn(piece.length)) {
      piece.write(needle, place);
      offsets.push(at + place);
    }
    await file.write(piece);
  }
  return { needle, offsets, firstAddress: FIRST_ADDRESS };
}

// The first page of a block that is too short for them has none.
function placesIn(bytes: number): readonly number[] {
  const across = Math.floor(bytes / NEEDLES_PER_BLOCK / PAGE_BYTES) * PAGE_BYTES - NEEDLE_BYTES / 2;
  return across < PAGE_BYTES ? [] : [100, across];
}

function magics(): Buffer {
  const bytes = Buffer.alloc(MAGICS.length * 4);
  for (const [at, magic] of MAGICS.entries()) bytes.writeUInt32LE(magic, at * 4);
  return bytes;
}

// Length, then fields of varints: all that a pagemap has.
function message(...fields: readonly (readonly [number: number, value: number])[]): Buffer {
  const body = fields.flatMap(([number, value]) => [number << 3, ...varint(value)]);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(body.length);
  return Buffer.concat([length, Buffer.from(body)]);
}

function varint(value: number): readonly number[] {
  const bytes: number[] = [];
  for (let left = value; ; left = Math.floor(left / 128)) {
    if (left < 128) return [...bytes, left];
    bytes.push((left % 128) + 128);
  }
}
