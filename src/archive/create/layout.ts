// Where everything of an archive will lie, known before its first byte is written: what an index needs, and where frames begin.

import { headOf, paddingOf, pagesHeadOf } from '../tar/head.js';
import { type Member, pagesIdOf } from './members.js';

export interface Placed {
  readonly member: Member;
  readonly head: Buffer;
  /** Of its content. */
  readonly at: number;
  readonly bytes: number;
  readonly pagesId?: number;
}

export interface Layout {
  readonly placed: readonly Placed[];
  /** Behind the last member. */
  readonly bytes: number;
  /** Where frames of a compressed archive begin: docs/design/archive.md, section 2. */
  readonly cuts: readonly number[];
}

export function layOut(members: readonly Member[], mtime: Date): Layout {
  const placed: Placed[] = [];
  const cuts: number[] = [];
  let at = 0;
  for (const member of members) {
    const one = place(member, at, mtime);
    placed.push(one);
    const end = one.at + one.bytes;
    if (one.pagesId !== undefined) cuts.push(one.at, end);
    at = end + paddingOf(one.bytes);
  }
  return { placed, bytes: at, cuts };
}

const PAGE_BYTES = 4096;

// Pages begin at a multiple of the page size: in front of them a head that may take more than its 4096 bytes.
function place(member: Member, from: number, now: Date): Placed {
  const bytes = member.kind === 'bytes' ? member.content.length : member.kind === 'file' ? member.bytes : 0;
  const pagesId = member.kind === 'file' ? pagesIdOf(member.name) : undefined;
  const said = {
    name: member.name,
    kind: member.kind === 'bytes' ? ('file' as const) : member.kind,
    bytes,
    mtime: member.kind === 'file' ? member.mtime : now,
    ...(member.kind === 'link' ? { target: member.target } : {}),
  };
  const first = from === 0 && member.kind === 'directory';
  const aligned = from % PAGE_BYTES === 0;
  const head = first || (pagesId !== undefined && aligned) ? pagesHeadOf(said) : headOf(said);
  return { member, head, at: from + head.length, bytes, ...(pagesId === undefined ? {} : { pagesId }) };
}
