import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CheckpointError } from '../../../src/errors/checkpoint-error.js';
import { decodeImage, ImageDecoder, type ImageEntry } from '../../../src/images/codec/decode.js';
import { encodeImage, headerBytes } from '../../../src/images/codec/encode.js';
import { IMAGE_NAMES, type ImageName, imageOfMagic, imageType } from '../../../src/images/codec/types.js';
import { UNKNOWN_FIELDS } from '../../../src/schema/codec.js';
import { arbitraryImage } from './arbitrary-image.js';

const anyImage = fc.constantFrom(...IMAGE_NAMES).chain(arbitraryImage);

/** What decodeImage() makes of bytes that may be anything: an image, or its refusal. */
function decodeOrRefuse(bytes: Uint8Array): unknown {
  try {
    return decodeImage(bytes, 'F');
  } catch (error) {
    expect(CheckpointError.is(error, 'IMAGES_CORRUPT')).toBe(true);
    return (error as Error).message;
  }
}

function inPieces(bytes: Buffer, sizes: readonly number[]): readonly ImageEntry[] {
  const decoder = new ImageDecoder('F');
  const entries: ImageEntry[] = [];
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length] ?? 1;
    entries.push(...decoder.take(bytes.subarray(at, at + size)));
    at += size;
  }
  return [...entries, ...decoder.finish()];
}

describe('encodeImage() and decodeImage()', () => {
  it.each(IMAGE_NAMES)('return what was put in: %s', (name) => {
    fc.assert(
      fc.property(arbitraryImage(name), (image) => {
        const bytes = encodeImage(image);
        expect(decodeImage(bytes, 'F')).toEqual(image);
        expect(encodeImage(decodeImage(bytes, 'F'))).toEqual(bytes);
      }),
      { numRuns: 15 },
    );
  });

  it('give the same entries however the bytes arrive', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(anyImage, sizes, (image, pieces) => {
        expect(inPieces(encodeImage(image), pieces)).toEqual(image.entries);
      }),
      { numRuns: 200 },
    );
  });

  it('refuse or read an image that is cut at any byte, and never read it as whole when an entry is cut', () => {
    fc.assert(
      fc.property(anyImage, (image) => {
        const bytes = encodeImage(image);
        // The first bytes hold the most borders; a long image is cut there, and then here and there.
        const step = (length: number): number => (length < 200 ? 1 : 97);
        for (let length = 0; length < bytes.length; length += step(length)) {
          const found = decodeOrRefuse(bytes.subarray(0, length));
          if (typeof found === 'string') expect(found).toMatch(/^Cannot decode "F": .*(short|byte \d+)/);
          // The contents of a ghost file have no length: the file's end is theirs.
          else if (image.name !== 'GHOST_FILE') expect(encodeImage(found as never)).toEqual(bytes.subarray(0, length));
        }
      }),
      { numRuns: 25 },
    );
  });

  it('survive any damage', () => {
    const damage = fc.tuple(fc.nat(400), fc.uint8Array({ minLength: 1, maxLength: 8 }));
    fc.assert(
      fc.property(anyImage, damage, (image, [at, bytes]) => {
        const good = encodeImage(image);
        const place = at % (good.length + 1);
        decodeOrRefuse(Buffer.concat([good.subarray(0, place), bytes, good.subarray(place + bytes.length)]));
      }),
      { numRuns: 1500 },
    );
  });

  it('read images of CRIU before 2.0, which have no common magic, and write them back', () => {
    const bytes = encodeImage({ name: 'IDS', prefix: 'none', entries: [] });
    expect(bytes).toHaveLength(4);
    expect(encodeImage(decodeImage(bytes, 'F'))).toEqual(bytes);
  });

  it.each([
    ['nothing', Buffer.alloc(0), 'it is too short for an image file (byte 0)'],
    ['half a header', headerBytes('CORE').subarray(0, 7), 'it is too short for an image file (byte 0)'],
    ['ELF', Buffer.from('\x7fELF....'), 'Unknown magic 0x464c457f. Maybe you are feeding me an image with raw data'],
    ['2 GiB announced', withEntry('CORE', 2 ** 31), 'it announces an entry that is too long to be one (byte 8)'],
    ['16 MiB announced', withEntry('CORE', 2 ** 24), 'it is cut short (byte 8)'],
    ['an empty core', withEntry('CORE', 0), 'entry 0: Cannot decode core_entry: no mtype (byte 8)'],
    ['half a length', Buffer.concat([headerBytes('IDS'), Buffer.alloc(3)]), 'it is cut short (byte 8)'],
  ])('refuse %s', (_, bytes, message) => {
    expect(decodeOrRefuse(bytes)).toContain(message);
  });

  it('do not wait for what a stream announces beyond belief', () => {
    const decoder = new ImageDecoder('F');
    expect(() => [...decoder.take(withEntry('MM', 2 ** 32 - 1))]).toThrow('too long to be one');
  });

  it('keep the fields of a newer CRIU', () => {
    const entry = Buffer.from('0880a0011001 2004 2801 3206 646465616665'.replaceAll(' ', ''), 'hex');
    const bytes = Buffer.concat([
      headerBytes('PAGEMAP'),
      Buffer.from('020000000801', 'hex'),
      Buffer.from([entry.length, 0, 0, 0]),
      entry,
    ]);
    const image = decodeImage(bytes, 'F');
    expect(Object.getOwnPropertySymbols(image.entries[1]?.message ?? {})).toEqual([UNKNOWN_FIELDS]);
    expect(encodeImage(image)).toEqual(bytes);
  });
});

describe('encodeImage() refuses', () => {
  const pipe = { pipe_id: 1, bytes: 3 };
  const bytes = (text: string) => ({ kind: 'bytes' as const, bytes: Buffer.from(text) });
  it.each<[string, ImageName, unknown, string]>([
    [
      'contents of another length',
      'PIPES_DATA',
      { kind: 'pipe_data_entry', message: pipe, extra: bytes('four') },
      '4 bytes, and the entry announces 3',
    ],
    [
      'missing contents',
      'PIPES_DATA',
      { kind: 'pipe_data_entry', message: pipe },
      '0 bytes, and the entry announces 3',
    ],
    [
      'a message of another kind',
      'CORE',
      { kind: 'mm_entry', message: {} },
      'entries[0]: mm_entry in place of a core_entry',
    ],
    [
      'a missing field',
      'IDS',
      { kind: 'task_kobj_ids_entry', message: {} },
      'entries[0]: Cannot encode task_kobj_ids_entry: no vm_id',
    ],
    [
      'a message that is longer than it says',
      'IPCNS_MSG',
      {
        kind: 'ipc_msg_entry',
        message: { desc: { key: 1, uid: 0, gid: 0, cuid: 0, cgid: 0, mode: 0, id: 0 }, qbytes: 9, qnum: 1 },
        extra: { kind: 'messages', messages: [{ message: { mtype: 1n, msize: 2 }, bytes: Buffer.from('abc') }] },
      },
      'a message of 3 bytes announces 2',
    ],
  ])('%s', (_, name, entry, message) => {
    expect(() => encodeImage({ name, prefix: 'common', entries: [entry as ImageEntry] })).toThrow(message);
  });
});

describe('the types of images', () => {
  it('have a magic each', () => {
    for (const name of IMAGE_NAMES) expect(imageOfMagic(imageType(name).magic)).toBe(name);
    expect(new Set(IMAGE_NAMES.map((name) => imageType(name).magic)).size).toBe(IMAGE_NAMES.length);
  });
});

function withEntry(name: ImageName, length: number): Buffer {
  const announced = Buffer.alloc(4);
  announced.writeUInt32LE(length);
  return Buffer.concat([headerBytes(name), announced]);
}
