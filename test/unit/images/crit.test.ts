import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CheckpointError } from '../../../src/errors/checkpoint-error.js';
import { decodeImage } from '../../../src/images/codec/decode.js';
import { encodeImage, headerBytes } from '../../../src/images/codec/encode.js';
import { IMAGE_NAMES } from '../../../src/images/codec/types.js';
import { addressText, addressWords } from '../../../src/images/crit/address.js';
import { base64Bytes, base64Text } from '../../../src/images/crit/base64.js';
import { encodedJson } from '../../../src/images/crit/from-json.js';
import { imageText } from '../../../src/images/crit/image-text.js';
import { imageInfo } from '../../../src/images/crit/info.js';
import { type Json, jsonText } from '../../../src/images/crit/json.js';
import { NotJson, parseJson } from '../../../src/images/crit/parse-json.js';
import { quotedBytes, quotedText } from '../../../src/images/crit/quoted-printable.js';
import type { ShowOptions } from '../../../src/images/crit/to-json.js';
import { deviceText, deviceValue, FLAGS, flagsText, flagsValue, integerValue } from '../../../src/images/crit/words.js';
import { arbitraryImage } from './arbitrary-image.js';

const u64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const forms: readonly ShowOptions['form'][] = ['plain', 'pretty'];

async function* inPieces(bytes: Buffer, size = bytes.length): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function textOf(bytes: Buffer, form: ShowOptions['form'], size?: number): Promise<string> {
  const newer: string[] = [];
  let text = '';
  const options: ShowOptions = { form, payload: 'shown', onNewer: (what) => newer.push(what) };
  for await (const piece of imageText(inPieces(bytes, size), 'F', options)) text += piece;
  return newer.length === 0 ? text : `${text} (${newer.join(', ')})`;
}

const encoded = (json: string): Buffer => Buffer.concat([...encodedJson(Buffer.from(json), 'J')]);

function refusal(json: string): string {
  try {
    encoded(json);
  } catch (error) {
    if (CheckpointError.is(error, 'IMAGES_CORRUPT')) return error.message;
    throw error;
  }
  return 'taken';
}

describe('an image as JSON and back', () => {
  it.each(IMAGE_NAMES)('is the same bytes, plain and pretty: %s', async (name) => {
    await fc.assert(
      fc.asyncProperty(arbitraryImage(name), async (image) => {
        const bytes = encodeImage(image);
        for (const form of forms) expect(encoded(await textOf(bytes, form))).toEqual(bytes);
        // What is valid for us is valid for everybody.
        JSON.parse(await textOf(bytes, 'pretty'));
      }),
      { numRuns: 4 },
    );
  });

  it('is the same text however the bytes arrive', async () => {
    const image = fc.constantFrom(...IMAGE_NAMES).chain(arbitraryImage);
    await fc.assert(
      fc.asyncProperty(image, fc.integer({ min: 1, max: 40 }), async (found, size) => {
        const bytes = encodeImage(found);
        expect(await textOf(bytes, 'pretty', size)).toBe(await textOf(bytes, 'pretty'));
      }),
      { numRuns: 60 },
    );
  });

  it('has the layout of Python', async () => {
    const bytes = encodeImage(decodeImage(encoded('{"magic":"TTY_DATA","entries":[{"tty_id":1,"data":""}]}'), 'F'));
    expect(await textOf(bytes, 'plain')).toBe('{"magic": "TTY_DATA", "entries": [{"tty_id": 1, "data": ""}]}');
    expect(await textOf(bytes, 'pretty')).toBe(
      '{\n    "magic": "TTY_DATA",\n    "entries": [\n        {\n            "tty_id": 1,\n            "data": ""\n        }\n    ]\n}',
    );
    expect(await textOf(headerBytes('IDS'), 'pretty')).toBe('{\n    "magic": "IDS",\n    "entries": []\n}');
  });

  it('keeps and names what a newer CRIU has added', async () => {
    const head = '080112026869';
    const bytes = Buffer.concat([
      headerBytes('PAGEMAP'),
      Buffer.from([head.length / 2, 0, 0, 0]),
      Buffer.from(head, 'hex'),
    ]);
    const text = '{"magic": "PAGEMAP", "entries": [{"pages_id": 1, "unknown_fields": "EgJoaQ==\\n"}]}';
    expect(await textOf(bytes, 'plain')).toBe(`${text} (pagemap_head: field 2)`);
    expect(encoded(text)).toEqual(bytes);
  });

  it('names a layout that is newer', async () => {
    const bytes = encoded('{"entries":[{"img_version":3}],"magic":"INVENTORY"}');
    expect(await textOf(bytes, 'plain')).toContain('"img_version": 3}]} (inventory_entry: img_version 3)');
  });

  it('keeps an enum value without a name', async () => {
    const bytes = encoded('{"magic":"REMAP_FPATH","entries":[{"orig_id":1,"remap_id":2,"remap_type":77}]}');
    expect(await textOf(bytes, 'plain')).toContain('"remap_type": 77}]} (remap_type: value 77)');
  });
});

describe('encodedJson() refuses', () => {
  const inventory = (fields: string): string => `{"magic":"INVENTORY","entries":[{"img_version":1,${fields}}]}`;
  const pipes = (extra: string): string => `{"magic":"PIPES_DATA","entries":[{"pipe_id":1,"bytes":3${extra}}]}`;
  it.each([
    ['no JSON', 'x', 'Cannot encode "J": Cannot read JSON. Maybe you are feeding me an image with protobuf data?'],
    ['a list', '[]', 'the image: an object is expected'],
    ['an image without a type', '{"entries":[]}', 'magic: there is none'],
    ['a type that is none', '{"magic":"CORES","entries":[]}', 'magic: no image is called CORES'],
    ['no entries', '{"magic":"CORE"}', 'entries: a list is expected'],
    ['entries that are no list', '{"magic":"CORE","entries":{}}', 'entries: a list is expected'],
    ['entries that have no end', '{"magic":"IDS","entries":[{"]"', 'a list has no end'],
    ['brackets that do not match', '{"magic":"IDS","entries":[{]}', 'a key is expected'],
    ['entries without a comma', '{"magic":"IDS","entries":[{} {}]}', 'no vm_id'],
    ['something behind it', '{"magic":"IDS","entries":[]} x', 'something follows it'],
    [
      'a key that is no field',
      inventory('"img_verison":1'),
      'entries[0].img_verison: inventory_entry has no such field',
    ],
    ['a key of Object', inventory('"__proto__":1'), 'entries[0].__proto__: inventory_entry has no such field'],
    ['a missing field', '{"magic":"IDS","entries":[{}]}', 'entries[0]: Cannot encode task_kobj_ids_entry: no vm_id'],
    ['a fraction', inventory('"root_cg_set":1.5'), 'entries[0].root_cg_set: a whole number is expected'],
    ['too large a number', inventory('"root_cg_set":4294967296'), '4294967296 does not fit uint32'],
    ['a negative number', inventory('"dump_uptime":-1'), '-1 does not fit uint64'],
    ['a word', inventory('"root_cg_set":"one"'), 'entries[0].root_cg_set: "one" is no number here'],
    ['a string for true', inventory('"tcp_close":"true"'), 'entries[0].tcp_close: true or false is expected'],
    ['a number for a string', inventory('"dump_criu_run_id":1'), 'dump_criu_run_id: a string is expected'],
    ['a foreign enum value', inventory('"lsmtype":"SMACK"'), 'entries[0].lsmtype: "SMACK" is not a value of lsmtype'],
    ['a list for a message', inventory('"root_ids":[]'), 'entries[0].root_ids: an object is expected'],
    ['a message for a list', inventory('"plugins_entry":{"plugins":{}}'), 'plugins: a list is expected'],
    ['contents that are missing', pipes(''), 'entries[0]: extra: 0 bytes, and the entry announces 3'],
    ['contents that are no base64', pipes(',"extra":"a"'), 'entries[0].extra: it does not spell bytes'],
    ['contents that were left out', pipes(',"extra":"... <3B>"'), 'entries[0].extra: it does not spell bytes'],
    [
      'contents behind what has none',
      inventory('"extra":"YWJj"'),
      'entries[0].extra: nothing follows a inventory_entry',
    ],
  ])('%s', (_, json, message) => {
    expect(refusal(json)).toContain(message);
  });

  it('or takes, but never fails otherwise, whatever the JSON says', () => {
    const values = fc.jsonValue({ maxDepth: 4 });
    fc.assert(
      fc.property(fc.constantFrom(...IMAGE_NAMES), values, (magic, entry) => {
        refusal(JSON.stringify({ magic, entries: [entry] }));
      }),
      { numRuns: 500 },
    );
  });
});

describe('imageInfo()', () => {
  it('counts entries, whatever follows them, and no head of a pagemap', async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...IMAGE_NAMES).chain(arbitraryImage), async (image) => {
        const heads = image.name === 'PAGEMAP' ? 1 : 0;
        const expected = { magic: image.name, count: image.entries.length - heads };
        expect(await imageInfo(inPieces(encodeImage(image), 33), 'F')).toEqual(expected);
      }),
      { numRuns: 100 },
    );
  });
});

describe('parseJson()', () => {
  const text = fc.json({ maxDepth: 6 });

  it('reads what JSON.parse() reads', () => {
    fc.assert(
      fc.property(text, (json) => {
        expect(JSON.parse(jsonText(parseJson(Buffer.from(json)), 'compact'))).toEqual(JSON.parse(json));
      }),
    );
  });

  it('takes and refuses the same as JSON.parse(), whatever is damaged', () => {
    fc.assert(
      fc.property(text, fc.nat(60), fc.string({ unit: 'binary-ascii', maxLength: 3 }), (json, at, damage) => {
        const damaged = json.slice(0, at) + damage + json.slice(at + damage.length);
        expect(isParsed(() => parseJson(Buffer.from(damaged)), NotJson)).toBe(
          isParsed(() => JSON.parse(damaged), SyntaxError),
        );
      }),
      { numRuns: 3000 },
    );
  });

  it('rounds no number', () => {
    fc.assert(
      fc.property(u64, (value) => void expect(BigInt(parseJson(Buffer.from(` ${value} `)) as bigint)).toBe(value)),
    );
  });

  it('does not overflow the stack', () => {
    expect(() => parseJson(Buffer.from('['.repeat(100_000)))).toThrow('nests deeper than 256');
  });

  it('writes what it read, ASCII only', () => {
    const json: Json = {
      text: '"\\/\b\f\n\r\t\u007f\u00e4\u20ac\ud83d\udc27\udc80',
      list: [],
      object: {},
      big: 2n ** 64n - 1n,
    };
    const written =
      '{"text": "\\"\\\\/\\b\\f\\n\\r\\t\\u007f\\u00e4\\u20ac\\ud83d\\udc27\\udc80", "list": [], "object": {}, "big": 18446744073709551615}';
    expect(jsonText(json, 'compact')).toBe(written);
    expect(parseJson(Buffer.from(written))).toEqual(json);
  });
});

describe('the words of crit', () => {
  it('give every number back', () => {
    const u32 = fc.integer({ min: 0, max: 2 ** 32 - 1 }).map(BigInt);
    fc.assert(
      fc.property(u32, u64, fc.constantFrom(...Object.values(FLAGS)), (small, large, flags) => {
        expect(flagsValue(flagsText(small, flags), flags)).toBe(small);
        expect(deviceValue(deviceText(small, 'dev'), 'dev')).toBe(small);
        expect(deviceValue(deviceText(large, 'odev'), 'odev')).toBe(large);
      }),
    );
  });

  it.each([
    ['0x1f', 31n],
    ['-0b11', -3n],
    ['1_000', 1000n],
    [' 7 ', 7n],
    ['00', 0n],
    ['07', undefined],
    ['', undefined],
    ['seven', undefined],
    ['0x', undefined],
  ])('read %j as Python does', (text, value) => {
    expect(integerValue(text)).toBe(value);
  });

  it.each([
    [[0x0100007f], '127.0.0.1'],
    [[0, 0, 0, 0x01000000], '::1'],
    [[0, 0, 0, 0], '::'],
    [[0, 0, 0xffff0000, 0x04030201], '::ffff:1.2.3.4'],
    [[0xb80d0120, 0, 0x00000100, 0x01000000], '2001:db8::1:0:0:1'],
    [[0xb80d0120, 0x01000000, 0, 0x01000000], '2001:db8:0:1::1'],
    [[0x01000100, 0x01000100, 0x01000100, 0x01000000], '1:1:1:1:1:1:0:1'],
  ])('write the address %j as %s', (words, text) => {
    expect(addressText(words)).toBe(text);
    expect(addressWords(text)).toEqual(words);
  });

  it('give every address back, and refuse what is none', () => {
    const words = fc.oneof(
      ...[1, 4].map((n) => fc.array(fc.integer({ min: 0, max: 2 ** 32 - 1 }), { minLength: n, maxLength: n })),
    );
    fc.assert(fc.property(words, (address) => void expect(addressWords(addressText(address) ?? '')).toEqual(address)));
    for (const wrong of ['', '1.2.3', '::1%lo', 'localhost', '1.2.3.4.5']) expect(addressWords(wrong)).toBeUndefined();
  });

  it('give all bytes back', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(base64Bytes(base64Text(bytes))).toEqual(Buffer.from(bytes));
        expect(quotedBytes(quotedText(bytes))).toEqual(Buffer.from(bytes));
      }),
    );
  });

  it('give bytes back that quoted-printable is hard on', () => {
    const hard = fc.array(fc.constantFrom(9, 10, 13, 32, 46, 61, 65, 0, 255), { maxLength: 160 });
    fc.assert(
      fc.property(
        hard,
        (bytes) => void expect(quotedBytes(quotedText(Buffer.from(bytes)))).toEqual(Buffer.from(bytes)),
      ),
      { numRuns: 500 },
    );
  });
});

/** Whether it answers; fails when it throws something else than `refusal`. */
function isParsed(parse: () => unknown, refusal: typeof NotJson | typeof SyntaxError): boolean {
  try {
    parse();
    return true;
  } catch (error) {
    expect(error).toBeInstanceOf(refusal);
    return false;
  }
}
