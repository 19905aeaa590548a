// What an images directory stores of a task's memory, page by page: read from the files themselves, by none of Frazil's code,
// so that what Frazil writes can be compared with what CRIU writes.
//
// pagemap-PID.img is two magic numbers, then entries of a length and a protobuf message. The first has the number of the
// pages file; each other a run of pages. Field 1 is the address, 2 or 5 the count, 3 the old "in parent", 4 the flags.

import { execFileSync } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { programOf } from './target.js';

const PAGE = 4096n;
const FLAG = { parent: 1n, lazy: 2n, present: 4n };

/** parent: a hole that the parent fills. data: in the pages file. punched: was there, and its room was given back. */
export type Stored = 'parent' | 'data' | 'punched' | 'zero';

export interface Run {
  readonly address: bigint;
  readonly pages: bigint;
  readonly kind: 'parent' | 'present' | 'zero';
  /** May come later. */
  readonly lazy?: boolean;
}

/** The runs of pagemap-`pid`.img, in their order, and the number of their pages file. */
export function readRuns(images: string, pid: number): { pagesId: bigint; runs: Run[] } {
  const [head, ...entries] = messagesIn(readFileSync(join(images, `pagemap-${pid}.img`)));
  const runs = entries.map((fields) => {
    const flags = fields.get(4) ?? (fields.get(3) === 1n ? FLAG.parent : FLAG.present);
    const kind = (flags & FLAG.parent) !== 0n ? 'parent' : (flags & FLAG.present) !== 0n ? 'present' : 'zero';
    const pages = fields.get(5) ?? fields.get(2) ?? 0n;
    return { address: fields.get(1) ?? 0n, pages, kind, lazy: (flags & FLAG.lazy) !== 0n } as const;
  });
  return { pagesId: head?.get(1) ?? 0n, runs };
}

/** For each of `count` pages from `address` on: how the directory stores it; undefined if not at all. */
export async function storedPages(
  images: string,
  pid: number,
  address: bigint,
  count: number,
): Promise<(Stored | undefined)[]> {
  const stored = new Array<Stored | undefined>(count).fill(undefined);
  if (!existsSync(join(images, `pagemap-${pid}.img`))) return stored;
  const { pagesId, runs } = readRuns(images, pid);
  const hasData = await dataOf(join(images, `pages-${pagesId}.img`));
  let offset = 0n;
  for (const run of runs) {
    for (let i = 0n; i < run.pages; i += 1n) {
      const index = (run.address - address) / PAGE + i;
      const here = run.kind === 'present' ? (hasData(offset) ? 'data' : 'punched') : run.kind;
      if (index >= 0n && index < BigInt(count)) stored[Number(index)] = here;
      if (run.kind === 'present') offset += PAGE;
    }
  }
  return stored;
}

/** Overwrites all that may come later with rubbish: whoever gets it from here is found out. */
export function spoilLazyPages(images: string, pid: number): void {
  const { pagesId, runs } = readRuns(images, pid);
  const file = openSync(join(images, `pages-${pagesId}.img`), 'r+');
  let offset = 0;
  for (const { kind, lazy, pages } of runs) {
    if (kind !== 'present') continue;
    const bytes = Number(pages * PAGE);
    if (lazy === true) writeSync(file, Buffer.alloc(bytes, RUBBISH), 0, bytes, offset);
    offset += bytes;
  }
  closeSync(file);
}

const RUBBISH = 0xee;

async function dataOf(file: string): Promise<(offset: bigint) => boolean> {
  const lines = execFileSync(await programOf('extents'), [file], { encoding: 'utf8' })
    .split('\n')
    .filter(Boolean);
  const extents = lines.map((line) => line.split(' ').map(BigInt));
  return (offset) => extents.some(([from = 0n, to = 0n]) => from <= offset && offset < to);
}

function messagesIn(image: Buffer): Map<number, bigint>[] {
  const messages: Map<number, bigint>[] = [];
  for (let at = 8; at < image.length; ) {
    const length = image.readUInt32LE(at);
    messages.push(varintFields(image.subarray(at + 4, at + 4 + length)));
    at += 4 + length;
  }
  return messages;
}

/** All fields of these messages are varints. */
function varintFields(bytes: Buffer): Map<number, bigint> {
  const fields = new Map<number, bigint>();
  let at = 0;
  const varint = (): bigint => {
    for (let value = 0n, shift = 0n; ; shift += 7n) {
      const byte = BigInt(bytes[at++] ?? 0);
      value |= (byte & 0x7fn) << shift;
      if (byte < 0x80n) return value;
    }
  };
  while (at < bytes.length) {
    const tag = varint();
    if ((tag & 7n) !== 0n) throw new Error(`pagemap: field ${tag >> 3n} is not a varint`);
    fields.set(Number(tag >> 3n), varint());
  }
  return fields;
}
