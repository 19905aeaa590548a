// What every parser of an archive says to any bytes: what was written comes back, and what was damaged is refused with the archive's name, or
// is what it was, but nothing else is ever thrown.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { openHeader, sealHeader } from '../../../src/archive/age/header.js';
import { generateIdentity, parseIdentity, parseRecipient } from '../../../src/archive/age/keys.js';
import { parseIndex, parseIndexTail, renderIndex } from '../../../src/archive/frazil-index.js';
import { entriesOf, type TarEntry, type TarStream } from '../../../src/archive/tar/entries.js';
import { END_BYTES, headOf, paddingOf, pagesHeadOf } from '../../../src/archive/tar/head.js';
import { parsePax } from '../../../src/archive/tar/pax.js';
import { CheckpointError } from '../../../src/errors/checkpoint-error.js';

function streamOver(bytes: Buffer): TarStream {
  let position = 0;
  const advance = (wanted: number): number => {
    const there = Math.min(wanted, bytes.length - position);
    position += there;
    return there;
  };
  return {
    get position() {
      return position;
    },
    async read(wanted) {
      const from = position;
      return bytes.subarray(from, from + advance(wanted));
    },
    skip: async (wanted) => advance(wanted),
  };
}

async function readAll(bytes: Buffer): Promise<readonly TarEntry[]> {
  const entries: TarEntry[] = [];
  for await (const entry of entriesOf(streamOver(bytes), 'a.tar')) entries.push(entry);
  return entries;
}

const part = fc
  .string({ unit: 'binary', minLength: 1, maxLength: 120 })
  .filter((name) => !/[/\0]/.test(name) && name !== '.' && name !== '..' && Buffer.from(name).toString() === name);
const name = fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'));
const member = fc.record({
  name,
  content: fc.uint8Array({ maxLength: 1500 }),
  mode: fc.integer({ min: 0, max: 0o7777 }),
  uid: fc.oneof(fc.nat(70_000), fc.integer({ min: 0o7777777, max: 2 ** 31 })),
  seconds: fc.integer({ min: 0, max: 2 ** 33 - 1 }),
  note: fc.option(fc.uint8Array({ maxLength: 300 }), { nil: undefined }),
  pages: fc.boolean(),
});

type Member = typeof member extends fc.Arbitrary<infer M> ? M : never;

function written({ name, content, mode, uid, seconds, note, pages }: Member): Buffer {
  const said = { name, kind: 'file' as const, bytes: content.length, mtime: new Date(seconds * 1000), mode, uid };
  const records = note === undefined ? {} : { 'SCHILY.xattr.user.note': note };
  const head = pages ? pagesHeadOf(said) : headOf({ ...said, records });
  return Buffer.concat([head, content, Buffer.alloc(paddingOf(content.length))]);
}

// Files below files are refused, and names twice.
const members = fc
  .uniqueArray(member, { selector: (one) => one.name, maxLength: 5 })
  .filter((all) => all.every((a) => all.every((b) => a === b || !b.name.startsWith(`${a.name}/`))));

test('entriesOf() reads what headOf() and pagesHeadOf() write', async () => {
  await fc.assert(
    fc.asyncProperty(members, async (all) => {
      const entries = await readAll(Buffer.concat([...all.map(written), Buffer.alloc(END_BYTES)]));
      expect(entries.map(({ name, bytes, mode, uid }) => ({ name, bytes, mode, uid }))).toEqual(
        all.map(({ name, content, mode, uid }) => ({ name, bytes: content.length, mode, uid })),
      );
      for (const [at, { note, pages, seconds }] of all.entries()) {
        expect(entries[at]?.mtime.getTime()).toBe(seconds * 1000);
        if (!pages) expect(entries[at]?.xattrs.get('user.note')).toEqual(note && Buffer.from(note));
      }
    }),
    { numRuns: 300 },
  );
});

const damage = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })), { minLength: 1, maxLength: 4 });

function damaged(bytes: Buffer, changes: readonly (readonly [at: number, by: number])[], cut: number): Buffer {
  const copy = Buffer.from(bytes);
  for (const [at, by] of changes) copy[at % copy.length] = (copy[at % copy.length] ?? 0) ^ by;
  return copy.subarray(0, copy.length - (cut % copy.length));
}

const isCorrupt = (reason: unknown): boolean =>
  CheckpointError.is(reason, 'ARCHIVE_CORRUPT') && reason.message.includes('a.tar');

test('entriesOf() refuses what is damaged by name, or reads it, and ends', async () => {
  await fc.assert(
    fc.asyncProperty(members, damage, fc.oneof(fc.constant(0), fc.nat()), async (all, changes, cut) => {
      const whole = Buffer.concat([...all.map(written), Buffer.alloc(END_BYTES)]);
      const outcome = await readAll(damaged(whole, changes, cut)).catch((reason: unknown) => reason);
      expect(Array.isArray(outcome) || isCorrupt(outcome), String(outcome)).toBe(true);
    }),
    { numRuns: 500 },
  );
});

test('entriesOf() and parsePax() say nothing else to any bytes', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 3000 }), async (bytes) => {
      const outcome = await readAll(Buffer.from(bytes)).catch((reason: unknown) => reason);
      expect(Array.isArray(outcome) || isCorrupt(outcome), String(outcome)).toBe(true);
      try {
        for (const key of parsePax(Buffer.from(bytes)).keys()) expect(typeof key).toBe('string');
      } catch (reason) {
        expect(reason).toBeInstanceOf(RangeError);
      }
    }),
    { numRuns: 500 },
  );
});

test('parseIndex() reads what renderIndex() writes, and refuses it when a byte is another', () => {
  const line = fc.record({ name, at: fc.nat(), bytes: fc.nat() });
  fc.assert(
    fc.property(fc.array(line, { maxLength: 6 }), fc.nat(), fc.integer({ min: 1, max: 255 }), (lines, at, by) => {
      const content = renderIndex({ profile: 'neutral', members: lines }, 4096);
      expect(parseIndex(content, 'a.tar').members).toEqual(lines);
      expect(parseIndexTail(content.subarray(-512))).toEqual({ at: 4096, bytes: content.length });
      const changed = damaged(content, [[at, by]], 0);
      try {
        // Blanks and what the tail says may be others without a difference to the lines.
        expect(parseIndex(changed, 'a.tar').members).toEqual(lines);
      } catch (reason) {
        expect(isCorrupt(reason), String(reason)).toBe(true);
      }
    }),
    { numRuns: 300 },
  );
});

test('openHeader() opens what sealHeader() seals for one, and never what was changed', async () => {
  const { identity, recipient } = generateIdentity();
  const keys = { identities: [parseIdentity(identity)], passphrase: undefined };
  const { header, key } = await sealHeader({ kind: 'recipients', recipients: [parseRecipient(recipient)] });
  const opened = await openHeader(header, keys);
  expect(opened.kind === 'opened' && opened.key.equals(key)).toBe(true);
  const NONCE = 16;
  await fc.assert(
    fc.asyncProperty(fc.nat(header.length - NONCE - 1), fc.integer({ min: 1, max: 255 }), async (at, by) => {
      const outcome = await openHeader(damaged(header, [[at, by]], 0), keys);
      expect(outcome.kind).not.toBe('opened');
    }),
    { numRuns: 300 },
  );
});
