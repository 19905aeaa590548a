// Where everything of an archive will lie, known before its first byte is written: what an index needs, and where frames begin.

import { headOf, PAGES_HEAD_BYTES, paddingOf, pagesHeadOf } from '../tar/head.js';
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

// Pages begin at a multiple of 4096, and so the head in front of them is as long as it takes.
function place(member: Member, from: number, now: Date): Placed {
  const bytes = bytesOf(member);
  const pagesId = member.kind === 'file' ? pagesIdOf(member.name) : undefined;
  const said = {
    name: member.name,
    kind: member.kind === 'directory' || member.kind === 'link' ? member.kind : ('file' as const),
    bytes,
    mtime: member.kind === 'file' ? member.mtime : now,
    ...(member.kind === 'link' ? { target: member.target } : {}),
  };
  const first = from === 0 && member.kind === 'directory';
  const beyond = from % PAGES_HEAD_BYTES;
  const headBytes = beyond === 0 ? PAGES_HEAD_BYTES : 2 * PAGES_HEAD_BYTES - beyond;
  const head = first || pagesId !== undefined ? pagesHeadOf(said, headBytes) : headOf(said);
  return { member, head, at: from + head.length, bytes, ...(pagesId === undefined ? {} : { pagesId }) };
}

function bytesOf(member: Member): number {
  if (member.kind === 'bytes') return member.content.length;
  return member.kind === 'file' || member.kind === 'tree' ? member.bytes : 0;
}
