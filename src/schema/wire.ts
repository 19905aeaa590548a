// The only door to protobufjs. Its Reader and Writer do varints, lengths and bounds; the messages come from our own tables
// (notation.ts), for three reasons: protobufjs drops an enum value it does not know out of its field, hands out Long objects
// (or, when the package `long` is absent, silently rounded numbers) for 64 bits, and compiles code per message, 24 ms of
// loading. Here 64 bits are bigint from the start, and nothing is loaded before the first message (12 ms).

import { createRequire } from 'node:module';
import type { Reader, Writer } from 'protobufjs/minimal.js';
import type { ScalarName } from './notation.js';

interface Minimal {
  readonly Reader: { create(bytes: Uint8Array): Reader };
  readonly Writer: { create(): Writer };
}

let minimal: Minimal | undefined;

function load(): Minimal {
  minimal ??= createRequire(import.meta.url)('protobufjs/minimal.js') as Minimal;
  return minimal;
}

export function readerOf(bytes: Uint8Array): Reader {
  return load().Reader.create(bytes);
}
export function newWriter(): Writer {
  return load().Writer.create();
}

/** protobuf wire types that our schemas use. */
export const VARINT = 0;
export const FIXED64 = 1;
export const DELIMITED = 2;

export function wireTypeOf(scalar: ScalarName): number {
  if (scalar === 'fixed64') return FIXED64;
  return scalar === 'string' || scalar === 'bytes' ? DELIMITED : VARINT;
}

const MAX_VARINT_BYTES = 10;
const BYTES_OF_FIXED64 = 8;

// In three parts of 28 bits: a bigint for each byte takes four times as long.
function readVarint64(reader: Reader): bigint {
  const parts: [number, number, number] = [0, 0, 0];
  for (let i = 0; i < MAX_VARINT_BYTES; i++) {
    const byte = reader.pos < reader.len ? reader.buf[reader.pos++] : undefined;
    if (byte === undefined) throw new RangeError('a number ends early');
    parts[i >> 2] = (parts[i >> 2] ?? 0) | ((byte & 0x7f) << (7 * (i & 3)));
    if (byte < 0x80) return joined(parts);
  }
  throw new RangeError('a number is longer than 10 bytes');
}

const PART_BITS = 28;
/** What the middle part may be at most for low and middle to be exact as one number. */
const EXACT_MIDDLE = 2 ** (53 - PART_BITS);

function joined([low, middle, high]: readonly [number, number, number]): bigint {
  if (high === 0 && middle < EXACT_MIDDLE) return BigInt(low + middle * 2 ** PART_BITS);
  const bits = BigInt(PART_BITS);
  return BigInt.asUintN(64, BigInt(low) | (BigInt(middle) << bits) | (BigInt(high) << (2n * bits)));
}

function readFixed64(reader: Reader): bigint {
  const { buf, pos } = reader;
  reader.skip(BYTES_OF_FIXED64);
  return new DataView(buf.buffer, buf.byteOffset, buf.byteLength).getBigUint64(pos, true);
}

export function readScalar(reader: Reader, type: ScalarName): number | bigint | boolean | string | Uint8Array {
  switch (type) {
    case 'uint32':
      return reader.uint32();
    case 'int32':
      return reader.int32();
    case 'sint32':
      return reader.sint32();
    case 'uint64':
      return readVarint64(reader);
    case 'int64':
      return BigInt.asIntN(64, readVarint64(reader));
    case 'sint64':
      return unzigzag(readVarint64(reader));
    case 'fixed64':
      return readFixed64(reader);
    case 'bool':
      return readVarint64(reader) !== 0n;
    case 'string':
      return textOf(reader.bytes());
    case 'bytes':
      return Uint8Array.from(reader.bytes());
    default:
      return type satisfies never;
  }
}

function unzigzag(value: bigint): bigint {
  return (value >> 1n) ^ -(value & 1n);
}

const INTEGER_RANGES = {
  uint32: [0, 2 ** 32 - 1],
  int32: [-(2 ** 31), 2 ** 31 - 1],
  sint32: [-(2 ** 31), 2 ** 31 - 1],
} as const;
const BIGINT_RANGES = {
  uint64: [0n, 2n ** 64n - 1n],
  fixed64: [0n, 2n ** 64n - 1n],
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
  sint64: [-(2n ** 63n), 2n ** 63n - 1n],
} as const;

function integer(value: unknown, type: keyof typeof INTEGER_RANGES): number {
  const [low, high] = INTEGER_RANGES[type];
  if (typeof value !== 'number' || !Number.isInteger(value))
    throw new TypeError(`${type} expected, not ${printable(value)}`);
  if (value < low || value > high) throw new RangeError(`${value} does not fit ${type}`);
  return value;
}

/** The form in which protobufjs takes 64 bits without rounding, whether `long` is installed or not. */
function bits(value: unknown, type: keyof typeof BIGINT_RANGES): Long {
  const [low, high] = BIGINT_RANGES[type];
  if (typeof value !== 'bigint') throw new TypeError(`bigint expected, not ${printable(value)}`);
  if (value < low || value > high) throw new RangeError(`${value} does not fit ${type}`);
  if (value >= 0n && value <= Number.MAX_SAFE_INTEGER) {
    // As a number, which is three times as fast.
    const number = Number(value);
    return { low: number | 0, high: Math.floor(number / 2 ** 32), unsigned: true } as Long;
  }
  const raw = BigInt.asUintN(64, value);
  return { low: Number(raw & 0xffffffffn) | 0, high: Number(raw >> 32n) | 0, unsigned: true } as Long;
}
type Long = Exclude<Parameters<Writer['uint64']>[0], number | string>;

export function writeScalar(writer: Writer, scalar: ScalarName, value: unknown): void {
  switch (scalar) {
    case 'uint32':
    case 'int32':
    case 'sint32':
      writer[scalar](integer(value, scalar));
      return;
    case 'uint64':
    case 'int64':
    case 'sint64':
    case 'fixed64':
      writer[scalar](bits(value, scalar));
      return;
    case 'bool':
      if (typeof value !== 'boolean') throw new TypeError(`boolean expected, not ${printable(value)}`);
      writer.bool(value);
      return;
    case 'string':
      if (typeof value !== 'string') throw new TypeError(`string expected, not ${printable(value)}`);
      writer.bytes(bytesOf(value));
      return;
    case 'bytes':
      if (!(value instanceof Uint8Array)) throw new TypeError(`bytes expected, not ${printable(value)}`);
      writer.bytes(value);
      return;
    default: {
      scalar satisfies never;
    }
  }
}

function printable(value: unknown): string {
  return typeof value === 'bigint' ? `${value}n` : (JSON.stringify(value) ?? String(value)).slice(0, 40);
}

// Paths in images are bytes, not text. What is not UTF-8 becomes lone surrogates U+DC80..U+DCFF, one per byte (Python's
// surrogateescape), and goes back as it came: an image that is rewritten keeps its paths.
const ESCAPE = 0xdc00;
const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function textOf(bytes: Uint8Array): string {
  try {
    return strict.decode(bytes);
  } catch {
    return escapedTextOf(bytes);
  }
}

/** Longest valid character at each place, else one escaped byte. */
function escapedTextOf(bytes: Uint8Array): string {
  let text = '';
  for (let i = 0; i < bytes.length; ) {
    const length = characterLength(bytes, i);
    text += length > 0 ? strict.decode(bytes.subarray(i, i + length)) : String.fromCharCode(ESCAPE + (bytes[i] ?? 0));
    i += Math.max(length, 1);
  }
  return text;
}

function characterLength(bytes: Uint8Array, at: number): number {
  for (let length = 1; length <= 4 && at + length <= bytes.length; length++) {
    try {
      strict.decode(bytes.subarray(at, at + length));
      return length;
    } catch {
      // Not a character yet: one more byte may complete it.
    }
  }
  return 0;
}

function bytesOf(text: string): Uint8Array {
  if (!/\p{Surrogate}/u.test(text)) return Buffer.from(text, 'utf8');
  return Buffer.concat(
    Array.from(text, (character) => {
      const code = character.charCodeAt(0);
      const escaped = character.length === 1 && code >= ESCAPE + 0x80 && code <= ESCAPE + 0xff;
      return escaped ? Buffer.of(code - ESCAPE) : Buffer.from(character, 'utf8');
    }),
  );
}
