import fc from 'fast-check';
import protobuf from 'protobufjs/light.js';
import { describe, expect, test } from 'vitest';
import { decodeMessage, encodeMessage, fieldsOf, MalformedMessage, UNKNOWN_FIELDS } from '../../../src/schema/codec.js';
import { decodeEntry, encodeEntry, IMAGES } from '../../../src/schema/images.js';
import type { Dictionary } from '../../../src/schema/notation.js';
import { RPC } from '../../../src/schema/rpc.js';
import { arbitraryMessage } from './arbitrary-message.js';

const DICTIONARIES: [string, Dictionary][] = [
  ['rpc', RPC],
  ['images', IMAGES],
];
const EVERY = DICTIONARIES.flatMap(([title, dictionary]) =>
  Object.keys(dictionary.messages).map((name): [string, string, Dictionary] => [title, name, dictionary]),
);

/** The same tables as protobufjs reflection: an independent reader and writer to compare with. */
function reflected(dictionary: Dictionary): protobuf.Root {
  const nested: Record<string, protobuf.AnyNestedObject> = {};
  for (const [name, values] of Object.entries(dictionary.enums))
    nested[`${name}_`] = { values: { ...values }, edition: 'proto2' } as protobuf.IEnum;
  for (const name of Object.keys(dictionary.messages)) {
    const fields = fieldsOf(dictionary, name).map(({ id, type, cardinality, name: field }) => {
      const rule = cardinality === 'optional' ? {} : { rule: cardinality };
      return [field, { id, type: type.kind === 'enum' ? `${type.name}_` : type.name, ...rule }];
    });
    nested[name] = { fields: Object.fromEntries(fields), edition: 'proto2' } as protobuf.IType;
  }
  const root = protobuf.Root.fromJSON({ nested });
  root.resolveAll();
  return root;
}

/** protobufjs wants enums as numbers. */
function numbered(dictionary: Dictionary, name: string, message: Record<string, unknown>): Record<string, unknown> {
  const out: Record<string, unknown> = { ...message };
  for (const { name: field, type } of fieldsOf(dictionary, name)) {
    if (out[field] === undefined || type.kind === 'scalar') continue;
    const one = (value: unknown): unknown =>
      type.kind === 'message'
        ? numbered(dictionary, type.name, value as Record<string, unknown>)
        : (dictionary.enums[type.name]?.[value as string] ?? (value as { raw: number }).raw);
    out[field] = Array.isArray(out[field]) ? out[field].map(one) : one(out[field]);
  }
  return out;
}

describe('encodeMessage() and decodeMessage()', () => {
  test.each(EVERY)('return what was put in: %s %s', (_, name, dictionary) => {
    fc.assert(
      fc.property(arbitraryMessage(dictionary, name), (message) => {
        const bytes = encodeMessage(dictionary, name, message as never);
        expect(decodeMessage(dictionary, name, bytes)).toEqual(message);
      }),
      { numRuns: 12 },
    );
  });

  test.each(DICTIONARIES)('agree with protobufjs reflection: %s', (_, dictionary) => {
    const root = reflected(dictionary);
    for (const name of Object.keys(dictionary.messages)) {
      fc.assert(
        fc.property(arbitraryMessage(dictionary, name), (message) => {
          // Enum values that the schema does not know vanish from protobufjs' fields: only known ones are compared.
          if (JSON.stringify(message, bigints).includes('"unknown"')) return;
          const ours = encodeMessage(dictionary, name, message as never);
          const type = root.lookupType(name);
          const theirs = type.toObject(type.decode(Uint8Array.from(ours)), { longs: BigInt, enums: Number });
          expect(theirs).toEqual(numbered(dictionary, name, message));
        }),
        { numRuns: 5 },
      );
    }
  });

  test('survive any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.constantFrom(...EVERY), (bytes, [, name, dictionary]) => {
        try {
          decodeMessage(dictionary, name, bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedMessage);
        }
      }),
      { numRuns: 2000 },
    );
  });

  test('refuse every truncation of a message with a required last field', () => {
    const whole = encodeEntry('pagemap_entry', {
      vaddr: 2n ** 63n,
      compat_nr_pages: 70000,
      flags: 4,
      nr_pages: 70000n,
    });
    for (let length = 0; length < 13; length++) {
      expect(() => decodeMessage(IMAGES, 'pagemap_entry', whole.subarray(0, length))).toThrow(MalformedMessage);
    }
  });

  test('stop at messages that nest too deep', () => {
    let bytes = Buffer.alloc(0);
    for (let i = 0; i < 200; i++) {
      const length = bytes.length < 128 ? [bytes.length] : [(bytes.length & 0x7f) | 0x80, bytes.length >> 7];
      bytes = Buffer.concat([Buffer.of(0x1a, ...length), bytes]);
    }
    expect(() => decodeMessage(IMAGES, 'aa_namespace', bytes)).toThrow('nest deeper than 64');
  });

  test('keep fields of a newer CRIU and write them back', () => {
    const bytes = Buffer.concat([encodeEntry('pagemap_head', { pages_id: 7 }), Buffer.from('fa3f03616263', 'hex')]);
    const head = decodeEntry('pagemap_head', bytes) as unknown as Record<symbol, unknown>;
    expect(head[UNKNOWN_FIELDS]).toEqual(Buffer.from('fa3f03616263', 'hex'));
    expect(Buffer.from(encodeEntry('pagemap_head', head as never))).toEqual(bytes);
  });

  test('keep paths that are not UTF-8', () => {
    const name = Buffer.from([0x2f, 0xff, 0x61, 0xc3, 0xa4, 0xc3, 0xed, 0xa0, 0x80]);
    const bytes = Buffer.concat([Buffer.of(0x0a, name.length), name]);
    const message = decodeMessage({ messages: { m: { s: '1 string!' } }, enums: {} }, 'm', bytes);
    expect(Buffer.from(encodeMessage({ messages: { m: { s: '1 string!' } }, enums: {} }, 'm', message))).toEqual(bytes);
    expect(message).toEqual({ s: '/\udcffaä\udcc3\udced\udca0\udc80' });
  });

  test.each([
    [
      'a negative count',
      { ghost_limit: -1 },
      'Cannot encode criu_opts.ghost_limit: -1 does not fit uint32',
      RangeError,
    ],
    ['5 GiB in 32 bits', { ghost_limit: 5 * 2 ** 30 }, 'does not fit uint32', RangeError],
    ['a fraction', { timeout: 1.5 }, 'uint32 expected, not 1.5', TypeError],
    ['a string for a number', { pid: '1' }, 'int32 expected, not "1"', TypeError],
    [
      'an unknown enum name',
      { network_lock: 'ipset' },
      '"ipset" is not a value of criu_network_lock_method',
      TypeError,
    ],
    ['a message without a required field', { inherit_fd: [{ key: 'x' }] }, 'inherit_fd: no fd', TypeError],
  ])('encode refuses %s', (_, opts, message, kind) => {
    const encode = (): unknown => encodeMessage(RPC, 'criu_opts', { images_dir_fd: -1, ...opts } as never);
    expect(encode).toThrow(message);
    expect(encode).toThrow(kind);
  });
});

function bigints(_: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value;
}
