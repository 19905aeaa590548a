import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { Header, Pax } from 'tar';
import { describe, expect, it } from 'vitest';
import { layOut } from '../../../src/archive/create/layout.js';
import type { Member } from '../../../src/archive/create/members.js';
import {
  END_BYTES,
  headOf,
  type MemberHead,
  PAGES_HEAD_BYTES,
  paddingOf,
  pagesHeadOf,
} from '../../../src/archive/tar/head.js';

const MTIME = new Date('2026-05-04T03:02:01Z');
const pages: MemberHead = { name: 'checkpoint/pages-1.img', kind: 'file', bytes: 8192, mtime: MTIME };

describe('pagesHeadOf()', () => {
  it('makes a head of exactly 4096 bytes for any size and name, which the package tar reads', () => {
    const name = fc.stringMatching(/^[a-z0-9./é-]{1,300}$/).filter((text) => !/^\/|\/$|\/\//.test(text));
    fc.assert(
      fc.property(name, fc.integer({ min: 0, max: 2 ** 50 }), (path, bytes) => {
        const head = pagesHeadOf({ ...pages, name: path, bytes });
        expect(head.length).toBe(PAGES_HEAD_BYTES);
        const first = new Header(head);
        expect(first).toMatchObject({ cksumValid: true, type: 'ExtendedHeader', size: 3072 });
        const pax = Pax.parse(head.subarray(512, 512 + 3072).toString());
        expect(new Header(head, 3584, pax)).toMatchObject({ cksumValid: true, path, size: bytes, type: 'File' });
      }),
    );
  });
});

describe('layOut()', () => {
  it('puts the pages of every directory of a chain at a multiple of 4096', () => {
    const members: Member[] = ['checkpoint', 'checkpoint-1', 'checkpoint-2'].flatMap((folder, level) => [
      { kind: 'directory' as const, name: folder },
      { kind: 'file' as const, name: `${folder}/pages-1.img`, path: 'x', bytes: 4096 * (level + 1), mtime: MTIME },
      { kind: 'file' as const, name: `${folder}/core-7.img`, path: 'x', bytes: 700 * level, mtime: MTIME },
    ]);
    const { placed, bytes, cuts } = layOut(members, MTIME);
    const pages = placed.filter(({ pagesId }) => pagesId === 1);
    expect(pages.map(({ at }) => at % 4096)).toEqual([0, 0, 0]);
    expect(cuts).toEqual(pages.flatMap((one) => [one.at, one.at + one.bytes]));
    expect(bytes).toBe(placed.reduce((sum, one) => sum + one.head.length + one.bytes + paddingOf(one.bytes), 0));
  });
});

describe('headOf()', () => {
  it('is one block as long as that can say it', () => {
    const head = headOf(pages);
    expect(head.length).toBe(512);
    expect(new Header(head)).toMatchObject({ path: pages.name, mode: 0o600, uid: 0, gid: 0, size: 8192, mtime: MTIME });
  });

  it('spells out in a pax header what the block has no room for', () => {
    const head = headOf({ ...pages, name: `volumes/${'ü'.repeat(120)}.tar`, bytes: 9 * 2 ** 30 });
    const pax = Pax.parse(head.subarray(512, -512).toString().replace(/\0+$/, ''));
    expect(pax).toMatchObject({ path: `volumes/${'ü'.repeat(120)}.tar`, size: 9 * 2 ** 30 });
  });

  it('is what GNU tar lists as it was said', () => {
    const members: MemberHead[] = [
      { name: 'checkpoint', kind: 'directory', bytes: 0, mtime: MTIME },
      { ...pages, bytes: 5 },
      { name: 'checkpoint/parent', kind: 'link', bytes: 0, mtime: MTIME, target: '../pre-checkpoint' },
    ];
    const parts = members.flatMap((one) => [
      one.bytes > 0 ? pagesHeadOf(one) : headOf(one),
      Buffer.alloc(one.bytes + paddingOf(one.bytes), 'x'),
    ]);
    const listed = execFileSync('tar', ['-tvf', '-', '--numeric-owner', '--utc'], {
      input: Buffer.concat([...parts, Buffer.alloc(END_BYTES)]),
      encoding: 'utf8',
    });
    expect(listed.split('\n').map((line) => line.replace(/ +/g, ' '))).toEqual([
      'drwx------ 0/0 0 2026-05-04 03:02 checkpoint/',
      '-rw------- 0/0 5 2026-05-04 03:02 checkpoint/pages-1.img',
      'lrwxrwxrwx 0/0 0 2026-05-04 03:02 checkpoint/parent -> ../pre-checkpoint',
      '',
    ]);
  });
});
