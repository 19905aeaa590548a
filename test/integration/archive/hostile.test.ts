// Archives that somebody made to do harm, or that were damaged: each is refused with the member's name, whichever way it comes, and leaves
// nothing behind.

import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { type Archive, archive } from '../../../src/archive/archive.js';
import { extractArchive, verifyArchive } from '../../../src/archive/lazily.js';
import { block, checksummed, END, file, padded, pax, raw, record } from '../../helpers/tar-bytes.js';
import { tempDir } from '../../helpers/temp-dir.js';
import { openFds } from '../addon/open-fds.js';

const FILE = file('checkpoint/inventory.img');
const long = 'n'.repeat(256);

interface Case {
  readonly what: string;
  readonly bytes: Buffer;
  readonly says: string;
  readonly member?: string;
}

const whole = (...parts: readonly Buffer[]): Buffer => Buffer.concat([...parts, END]);

const CASES: readonly Case[] = [
  {
    what: 'a link',
    bytes: whole(block({ path: 'a', letter: '2', linkpath: '/etc' })),
    says: 'it is a link',
    member: 'a',
  },
  {
    what: 'a parent link to a folder outside',
    bytes: whole(block({ path: 'checkpoint/parent', letter: '2', linkpath: '../../x' })),
    says: 'it is a link',
    member: 'checkpoint/parent',
  },
  {
    what: 'a parent link from /',
    bytes: whole(block({ path: 'c/parent', letter: '2', linkpath: '/etc' })),
    says: 'it is a link',
    member: 'c/parent',
  },
  {
    what: 'a parent link to nothing',
    bytes: whole(block({ path: 'c/parent', letter: '2', linkpath: '../d' })),
    says: 'no folder',
    member: 'c/parent',
  },
  {
    what: 'a file below a link',
    bytes: whole(
      block({ path: 'd', letter: '5' }),
      block({ path: 'c/parent', letter: '2', linkpath: '../d' }),
      file('c/parent/x'),
    ),
    says: 'which is no folder',
    member: 'c/parent/x',
  },
  {
    what: 'a hard link',
    bytes: whole(FILE, block({ path: 'b', letter: '1', linkpath: 'checkpoint/inventory.img' })),
    says: 'it is a hard link',
    member: 'b',
  },
  {
    what: 'a character device',
    bytes: whole(block({ path: 'null', letter: '3' })),
    says: 'it is a device',
    member: 'null',
  },
  { what: 'a block device', bytes: whole(block({ path: 'sda', letter: '4' })), says: 'it is a device', member: 'sda' },
  {
    what: 'a named pipe',
    bytes: whole(block({ path: 'fifo', letter: '6' })),
    says: 'it is a named pipe',
    member: 'fifo',
  },
  {
    what: 'a kind that nobody knows',
    bytes: whole(block({ path: 'q', letter: 'Q' })),
    says: 'its kind is unknown',
    member: 'q',
  },
  {
    what: 'a multi-volume part',
    bytes: whole(block({ path: 'm', letter: 'M' })),
    says: 'its kind is unknown',
    member: 'm',
  },
  { what: '..', bytes: whole(file('../evil')), says: 'leads out of the archive', member: '../evil' },
  {
    what: '.. in the middle',
    bytes: whole(file('a/../../evil')),
    says: 'leads out of the archive',
    member: 'a/../../evil',
  },
  {
    what: '.. in a pax name',
    bytes: whole(pax({ path: '../evil' }), file('good')),
    says: 'leads out of the archive',
    member: '../evil',
  },
  {
    what: '.. in a GNU name',
    bytes: whole(raw(Buffer.from('../evil\0'), 'L'), file('good')),
    says: 'leads out of the archive',
    member: '../evil',
  },
  {
    what: '.. in the prefix',
    bytes: whole(checksummed(withPrefix('../..'))),
    says: 'leads out of the archive',
    member: '../../x',
  },
  { what: 'an absolute name', bytes: whole(file('/etc/passwd')), says: 'its name is absolute', member: '/etc/passwd' },
  {
    what: 'an absolute pax name',
    bytes: whole(pax({ path: '/etc/passwd' }), file('good')),
    says: 'its name is absolute',
    member: '/etc/passwd',
  },
  { what: 'an empty name', bytes: whole(file('')), says: 'its name is empty' },
  { what: 'a file that is the archive itself', bytes: whole(file('./.')), says: 'the name of the archive itself' },
  { what: 'a zero byte in a pax name', bytes: whole(pax({ path: 'a\0b' }), file('good')), says: 'a zero byte' },
  {
    what: 'a name that is no UTF-8',
    bytes: whole(checksummed(withName(Buffer.from([0x61, 0xff])))),
    says: 'not UTF-8',
  },
  {
    what: 'a part that no file system takes',
    bytes: whole(pax({ path: long }), file('good')),
    says: 'too long',
    member: long,
  },
  {
    what: 'a name of five thousand bytes',
    bytes: whole(pax({ path: `${'a/'.repeat(2500)}b` }), file('good')),
    says: 'its name is too long',
  },
  { what: 'the same member twice', bytes: whole(FILE, FILE), says: 'twice', member: 'checkpoint/inventory.img' },
  {
    what: 'the same member twice, written otherwise',
    bytes: whole(file('a/b'), file('./a//b')),
    says: 'twice',
    member: 'a/b',
  },
  { what: 'a file below a file', bytes: whole(file('a'), file('a/b')), says: 'which is no folder', member: 'a/b' },
  { what: 'a file where a folder was', bytes: whole(file('a/b'), file('a')), says: 'twice', member: 'a' },
  {
    what: 'a GNU sparse file',
    bytes: whole(block({ path: 's', letter: 'S', size: 0 })),
    says: 'it is a sparse file',
    member: 's',
  },
  {
    what: 'a pax sparse file',
    bytes: whole(pax({ 'GNU.sparse.major': '1', 'GNU.sparse.realsize': '9223372036854775807' }), file('s')),
    says: 'it is a sparse file',
    member: 's',
  },
  {
    what: 'a folder with a content',
    bytes: whole(block({ path: 'd', letter: '5', size: 512 }), padded('x')),
    says: 'it is no file and has 512 bytes',
    member: 'd',
  },
  {
    what: 'a folder by its name, with a content',
    bytes: whole(block({ path: 'd/', letter: '0', size: 512 }), padded('x')),
    says: 'it is no file and has 512 bytes',
    member: 'd/',
  },
  { what: 'a negative size', bytes: whole(negative()), says: 'its size is no number', member: 'x' },
  {
    what: 'a size that is no number',
    bytes: whole(pax({ size: '12e3' }), file('a')),
    says: 'its size is no number',
    member: 'a',
  },
  {
    what: 'a size beyond what can be counted',
    bytes: whole(pax({ size: '9999999999999999' }), file('a')),
    says: 'its size is no number',
    member: 'a',
  },
  {
    what: 'more than is there',
    bytes: whole(pax({ size: '1099511627776' }), file('a')),
    says: 'cut short',
    member: 'a',
  },
  {
    what: 'a pax header of a gibibyte',
    bytes: whole(block({ path: 'p', letter: 'x', size: 1 << 30 })),
    says: 'bytes long',
    member: 'p',
  },
  {
    what: 'a GNU name of a mebibyte',
    bytes: whole(block({ path: 'p', letter: 'L', size: 1 << 20 })),
    says: 'bytes long',
    member: 'p',
  },
  { what: 'two pax headers', bytes: whole(pax({ path: 'a' }), pax({ path: 'b' }), file('c')), says: 'two pax headers' },
  {
    what: 'two GNU names',
    bytes: whole(raw(Buffer.from('a\0'), 'L'), raw(Buffer.from('b\0'), 'L'), file('c')),
    says: 'two long names',
  },
  {
    what: 'a pax name and a GNU name',
    bytes: whole(pax({ path: 'a' }), raw(Buffer.from('b\0'), 'L'), file('c')),
    says: 'it has two names',
    member: 'a',
  },
  {
    what: 'a hundred headers',
    bytes: whole(...Array.from({ length: 100 }, () => pax({ comment: 'x' }, 'g')), file('a')),
    says: 'too many headers',
  },
  {
    what: 'a name for all members',
    bytes: whole(pax({ path: 'evil' }, 'g'), file('a')),
    says: 'sets "path" for all members',
  },
  {
    what: 'a size for all members',
    bytes: whole(pax({ size: '1' }, 'g'), file('a')),
    says: 'sets "size" for all members',
  },
  {
    what: 'a pax record without a length',
    bytes: whole(raw(Buffer.from('path=evil\n'), 'x'), file('a')),
    says: 'has no length',
  },
  {
    what: 'a pax record that is longer than its header',
    bytes: whole(raw(Buffer.from('99 path=evil\n'), 'x'), file('a')),
    says: 'wrong length',
  },
  {
    what: 'a pax record that ends early',
    bytes: whole(raw(Buffer.from('9 path=evil\n'), 'x'), file('a')),
    says: 'wrong length',
  },
  { what: 'a pax record without a key', bytes: whole(raw(Buffer.from('8 patha\n'), 'x'), file('a')), says: 'no key' },
  {
    what: 'a pax key twice',
    bytes: whole(raw(Buffer.from(record('path', 'a') + record('path', 'b')), 'x'), file('a')),
    says: '"path" twice',
  },
  {
    what: 'a header behind which nothing comes',
    bytes: whole(pax({ path: 'a' })),
    says: 'a header without its member',
  },
  { what: 'a wrong checksum', bytes: whole(FILE, spoiled(file('a'))), says: 'wrong checksum' },
  { what: 'no end', bytes: FILE, says: 'cut short' },
  { what: 'half an end', bytes: Buffer.concat([FILE, END.subarray(512)]), says: 'its last block is missing' },
  {
    what: 'a member behind a zero block',
    bytes: Buffer.concat([FILE, END.subarray(512), file('b'), END]),
    says: 'goes on behind a zero block',
  },
  {
    what: 'something behind the end',
    bytes: Buffer.concat([whole(FILE), Buffer.from('garbage')]),
    says: 'something follows its end',
  },
  {
    what: 'a second archive behind the end',
    bytes: Buffer.concat([whole(FILE), whole(file('b'))]),
    says: 'something follows its end',
  },
  {
    what: 'two mebibytes of zeros behind the end',
    bytes: Buffer.concat([whole(FILE), Buffer.alloc(2 << 20)]),
    says: 'a mebibyte of zeros',
  },
];

function withName(name: Buffer): Buffer {
  const bytes = block({ path: '' });
  name.copy(bytes);
  return bytes;
}

function withPrefix(prefix: string): Buffer {
  const bytes = block({ path: 'x' });
  bytes.write(prefix, 345);
  return bytes;
}

function negative(): Buffer {
  const bytes = block({ path: 'x' });
  bytes.fill(0xff, 124, 136);
  return checksummed(bytes);
}

function spoiled(bytes: Buffer): Buffer {
  bytes[20] = 1;
  return bytes;
}

const WAYS: Readonly<Record<string, (bytes: Buffer, path: string) => Archive>> = {
  'as a file': (bytes, path) => {
    writeFileSync(path, bytes);
    return archive(path);
  },
  'compressed, as a stream': (bytes) => archive(Readable.from([gzipSync(bytes)])),
};

describe.each(Object.entries(WAYS))('extractArchive() of an archive %s', (_way, made) => {
  it.each(CASES)('refuses $what', async ({ bytes, says, member }) => {
    await using dir = tempDir();
    const before = openFds();
    const given = made(bytes, join(dir.path, 'a.tar'));
    const failure = await extractArchive(given, join(dir.path, 'out')).done.catch((reason: unknown) => reason);
    expect(failure).toMatchObject({ code: expect.stringMatching(/^(ARCHIVE_CORRUPT|IO)$/) });
    expect(String(failure)).toContain(says === 'cut short' && String(failure).includes('only') ? 'are free' : says);
    if (member !== undefined && String(failure).includes('ARCHIVE'))
      expect(failure).toMatchObject({ detail: { member } });
    if (member !== undefined) expect(String(failure)).toContain(member);
    expect(readdirSync(dir.path).filter((name) => name !== 'a.tar')).toEqual([]);
    expect(existsSync(join(dir.path, '..', 'evil'))).toBe(false);
    expect(openFds()).toEqual(before);
  });
});

describe('verifyArchive()', () => {
  it('refuses what is no archive at all, and says what it is', async () => {
    await using dir = tempDir();
    const path = join(dir.path, 'x');
    const said = async (bytes: Buffer): Promise<string> => {
      writeFileSync(path, bytes);
      return verifyArchive(archive(path)).done.then(() => 'read', String);
    };
    expect(await said(Buffer.alloc(0))).toContain('it is empty');
    expect(await said(Buffer.from('hello'))).toContain('it is no tar file');
    expect(await said(gzipSync('hello'))).toContain('it is no tar file');
    expect(await said(Buffer.from('BZh91AY&SY'))).toContain('compressed with bzip2, which Frazil does not read');
    expect(await said(Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]))).toContain('compressed with xz');
    expect(await said(gzipSync(gzipSync(whole(FILE))))).toContain('it is no tar file');
  });

  it.each(['zeros', 'noise'])(
    'refuses a compressed archive that is cut at any place, or changed (%s)',
    async (kind) => {
      const content =
        kind === 'zeros'
          ? Buffer.alloc(300_000)
          : Buffer.from(Array.from({ length: 30_000 }, (_, i) => (i * i * 7) >> 3));
      const good = gzipSync(whole(file('checkpoint/pages-1.img', content)));
      for (let cut = 1; cut < good.length; cut += Math.ceil(good.length / 25)) {
        const failure = await verifyArchive(archive(Readable.from([good.subarray(0, cut)]))).done.catch(
          (reason: unknown) => reason,
        );
        expect(failure).toMatchObject({ code: 'ARCHIVE_CORRUPT' });
      }
      for (let at = 30; at < good.length; at += Math.ceil(good.length / 25)) {
        const changed = Buffer.from(good);
        changed[at] = (changed[at] ?? 0) ^ 0x40;
        const failure = await verifyArchive(archive(Readable.from([changed]))).done.catch((reason: unknown) => reason);
        expect(failure).toMatchObject({ code: 'ARCHIVE_CORRUPT' });
      }
    },
  );

  it('reads what GNU tar writes in each of its formats', async () => {
    await using dir = tempDir();
    const folder = dir.folder(`in/checkpoint/${'deep/'.repeat(30)}`);
    writeFileSync(join(folder, `${'long'.repeat(40)}.img`), 'content');
    for (const format of ['gnu', 'pax', 'posix', 'ustar', 'oldgnu']) {
      const path = join(dir.path, `${format}.tar`);
      try {
        execFileSync('tar', ['-C', join(dir.path, 'in'), `--format=${format}`, '-cf', path, '.'], { stdio: 'pipe' });
      } catch {
        // ustar has no room for that name, and tar says so.
        expect(format).toBe('ustar');
        continue;
      }
      const { members } = await verifyArchive(archive(path)).done;
      expect(members.at(-1)).toMatchObject({ name: expect.stringContaining('longlong'), bytes: 7 });
    }
  });
});
