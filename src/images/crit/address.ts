// IP addresses as images hold them, in words of 32 bits in network order, and as Python's ipaddress writes them.

import { isIPv4, isIPv6 } from 'node:net';

const WORD_BYTES = 4;
const V6_WORDS = 4;
const GROUPS = 8;

/** `undefined` when there are neither one nor four words. */
export function addressText(words: readonly number[]): string | undefined {
  const bytes = Buffer.alloc(words.length * WORD_BYTES);
  for (const [i, word] of words.entries()) bytes.writeUInt32LE(word, i * WORD_BYTES);
  if (words.length === 1) return bytes.join('.');
  if (words.length !== V6_WORDS) return undefined;
  const groups = Array.from({ length: GROUPS }, (_, i) => bytes.readUInt16BE(2 * i));
  const mapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff;
  return mapped ? `::ffff:${bytes.subarray(12).join('.')}` : compressed(groups);
}

/** The words of an address; undefined when the text is none. */
export function addressWords(text: string): readonly number[] | undefined {
  const bytes = isIPv4(text) ? v4Bytes(text) : isIPv6(text) && !text.includes('%') ? v6Bytes(text) : undefined;
  if (bytes === undefined) return undefined;
  return Array.from({ length: bytes.length / WORD_BYTES }, (_, i) => bytes.readUInt32LE(i * WORD_BYTES));
}

// The first of the longest runs of two or more zeros is left out.
function compressed(groups: readonly number[]): string {
  let best = { from: 0, length: 1 };
  for (let from = 0; from < GROUPS; from++) {
    const end = groups.findIndex((group, i) => i >= from && group !== 0);
    const length = (end === -1 ? GROUPS : end) - from;
    if (length > best.length) best = { from, length };
  }
  const text = (part: readonly number[]): string => part.map((group) => group.toString(16)).join(':');
  if (best.length === 1) return text(groups);
  return `${text(groups.slice(0, best.from))}::${text(groups.slice(best.from + best.length))}`;
}

function v4Bytes(text: string): Buffer {
  return Buffer.from(text.split('.').map(Number));
}

function v6Bytes(text: string): Buffer {
  const dotted = /[\d.]+$/.exec(text)?.[0] ?? '';
  const last = dotted.includes('.')
    ? v4Bytes(dotted)
        .toString('hex')
        .replace(/^(.{4})/, '$1:')
    : dotted;
  const [before = '', after] = (text.slice(0, text.length - dotted.length) + last).split('::');
  const groups = (part: string | undefined): number[] =>
    part === undefined || part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16));
  const [front, back] = [groups(before), groups(after)];
  const bytes = Buffer.alloc(2 * GROUPS);
  const all = [...front, ...Array<number>(GROUPS - front.length - back.length).fill(0), ...back];
  for (const [i, group] of all.entries()) bytes.writeUInt16BE(group, 2 * i);
  return bytes;
}
