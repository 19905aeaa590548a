// A checkpoint split into a chain by hand: real pages of a real process, without the kernel's soft-dirty tracking that a pre-dump needs.
//
// Of each run of a task, cut into pieces, the first piece stays in the child, the second is left to the parent, and so on. The parent
// has everything, with other bytes where the child has its own: whoever reads them from the wrong level is found out.

import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Run, readRuns } from './stored-pages.js';

const PAGE = 4096;
const PIECE = 7n;
const MAGIC = Buffer.from('1943565425400856', 'hex');
const FLAGS = { parent: 1n, present: 4n, zero: 2n };

export interface SplitChain {
  readonly parent: string;
  readonly child: string;
  readonly pid: number;
  /** Pages of the task that the child leaves to the parent. */
  readonly parentPages: number;
}

/** Makes `${dir}/parent` and `${dir}/child` of the checkpoint `images`, of whose task `pid` the memory is split. */
export function splitChain(dir: string, images: string, pid: number): SplitChain {
  const [parent, child] = [join(dir, 'parent'), join(dir, 'child')];
  cpSync(images, child, { recursive: true });
  mkdirSync(parent, { mode: 0o700 });
  const { pagesId, runs } = readRuns(images, pid);
  const pages = readFileSync(join(images, `pages-${pagesId}.img`));
  const upper: Run[] = [];
  const own: Buffer[] = [];
  const lower: Buffer[] = [];
  let offset = 0;
  for (const run of runs) {
    if (run.kind !== 'present') throw new Error('Only a checkpoint without a parent can be split');
    for (let at = 0n, turn = 0; at < run.pages; at += PIECE, turn += 1) {
      const count = run.pages - at < PIECE ? run.pages - at : PIECE;
      const bytes = pages.subarray(offset, offset + Number(count) * PAGE);
      offset += bytes.length;
      const kind = turn % 2 === 0 ? 'present' : 'parent';
      upper.push({ address: run.address + at * BigInt(PAGE), pages: count, kind });
      if (kind === 'present') own.push(bytes);
      lower.push(kind === 'present' ? Buffer.alloc(bytes.length, 0xee) : bytes);
    }
  }
  writeFileSync(join(parent, `pages-${pagesId}.img`), Buffer.concat(lower), { mode: 0o600 });
  writePagemap(join(parent, `pagemap-${pid}.img`), pagesId, runs);
  rmSync(join(child, `pages-${pagesId}.img`));
  writeFileSync(join(child, `pages-${pagesId}.img`), Buffer.concat(own), { mode: 0o600 });
  writePagemap(join(child, `pagemap-${pid}.img`), pagesId, upper);
  symlinkSync('../parent', join(child, 'parent'));
  const left = upper.filter(({ kind }) => kind === 'parent');
  return { parent, child, pid, parentPages: Number(left.reduce((sum, { pages: count }) => sum + count, 0n)) };
}

/** A pagemap as CRIU 4.2 writes it. */
export function writePagemap(path: string, pagesId: bigint, runs: readonly Run[]): void {
  const entries = runs.map(({ address, pages, kind }) =>
    message([
      [1, address],
      [2, pages],
      [4, FLAGS[kind]],
      [5, pages],
    ]),
  );
  writeFileSync(path, Buffer.concat([MAGIC, message([[1, pagesId]]), ...entries]), { mode: 0o600 });
}

function message(fields: readonly (readonly [number, bigint])[]): Buffer {
  const bytes = fields.flatMap(([field, value]) => [field << 3, ...varint(value)]);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(bytes.length);
  return Buffer.concat([length, Buffer.from(bytes)]);
}

function varint(value: bigint): number[] {
  const bytes: number[] = [];
  for (; value >= 0x80n; value >>= 7n) bytes.push(Number(value & 0x7fn) | 0x80);
  return [...bytes, Number(value)];
}
