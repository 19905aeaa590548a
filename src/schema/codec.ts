// Messages to bytes and back, for both dictionaries (rpc.ts, images/). Fields are written in the order of their numbers, as
// protobuf-c does, so an image entry that is decoded and encoded again has the same bytes. Fields that the schema does not know
// are kept too, under UNKNOWN_FIELDS, and written last.

import type { Reader, Writer } from 'protobufjs/minimal.js';
import { type Dictionary, type FieldPlan, type MessageOf, parseField } from './notation.js';
import { DELIMITED, newWriter, readerOf, readScalar, VARINT, wireTypeOf, writeScalar } from './wire.js';

/** Where decode keeps the bytes of fields it does not know, and encode looks for them. */
export const UNKNOWN_FIELDS: unique symbol = Symbol('fields unknown to the schema');

/** CRIU nests its messages four deep; only AppArmor namespaces and cgroup directories nest by data. */
const MAX_DEPTH = 64;

/** Bytes that are not the message they should be. The borders (rpc, images) turn it into their own error. */
export class MalformedMessage extends Error {
  override readonly name = 'MalformedMessage';
}

type Plain = Record<string | symbol, unknown>;

interface MessagePlan {
  readonly fields: readonly FieldPlan[];
  readonly byId: ReadonlyMap<number, FieldPlan>;
  readonly required: readonly FieldPlan[];
}

const plans = new WeakMap<Dictionary, Map<string, MessagePlan>>();

function planOf(dictionary: Dictionary, name: string): MessagePlan {
  return plans.get(dictionary)?.get(name) ?? makePlan(dictionary, name);
}

function makePlan(dictionary: Dictionary, name: string): MessagePlan {
  const known = plans.get(dictionary) ?? new Map<string, MessagePlan>();
  plans.set(dictionary, known);
  const spec = dictionary.messages[name];
  if (spec === undefined) throw new TypeError(`Cannot use message "${name}": the schema has none of that name`);
  const plan = planFrom(Object.entries(spec).map(([field, text]) => parseField(field, text, dictionary)));
  known.set(name, plan);
  return plan;
}

function planFrom(fields: readonly FieldPlan[]): MessagePlan {
  const sorted = fields.toSorted((a, b) => a.id - b.id);
  const required = sorted.filter(({ cardinality }) => cardinality === 'required');
  return { fields: sorted, byId: new Map(sorted.map((field) => [field.id, field])), required };
}

/** The fields of a message in the order of their numbers, with crit's annotations. Throws TypeError for an unknown message. */
export function fieldsOf<D extends Dictionary>(
  dictionary: D,
  name: keyof D['messages'] & string,
): readonly FieldPlan[] {
  return planOf(dictionary, name).fields;
}

/** Throws MalformedMessage, whatever the bytes are; never reads outside them. */
export function decodeMessage<D extends Dictionary, N extends keyof D['messages'] & string>(
  dictionary: D,
  name: N,
  bytes: Uint8Array,
): MessageOf<D, N> {
  const reader = readerOf(bytes);
  try {
    return readMessage(reader, reader.len, { dictionary, depth: 0 }, name) as MessageOf<D, N>;
  } catch (cause) {
    if (cause instanceof MalformedMessage) throw cause;
    throw new MalformedMessage(`Cannot decode ${name}: ${String((cause as Error).message)}`, { cause });
  }
}

interface Place {
  readonly dictionary: Dictionary;
  readonly depth: number;
}

function readMessage(reader: Reader, end: number, place: Place, name: string): Plain {
  if (place.depth > MAX_DEPTH)
    throw new MalformedMessage(`Cannot decode ${name}: messages nest deeper than ${MAX_DEPTH}`);
  const plan = planOf(place.dictionary, name);
  const message: Plain = {};
  const unknown: Uint8Array[] = [];
  while (reader.pos < end) {
    const start = reader.pos;
    const tag = reader.tag();
    const field = plan.byId.get(tag >>> 3);
    if (field === undefined || !readField(reader, message, { field, wireType: tag & 7, place })) {
      reader.skipType(tag & 7, 0, tag >>> 3);
      unknown.push(Uint8Array.from(reader.buf.subarray(start, reader.pos)));
    }
  }
  if (reader.pos !== end) throw new MalformedMessage(`Cannot decode ${name}: a field ends outside its message`);
  if (unknown.length > 0) message[UNKNOWN_FIELDS] = Buffer.concat(unknown);
  const missing = plan.required.find(({ name: field }) => message[field] === undefined);
  if (missing !== undefined) throw new MalformedMessage(`Cannot decode ${name}: no ${missing.name}`);
  return message;
}

interface Found {
  readonly field: FieldPlan;
  readonly wireType: number;
  readonly place: Place;
}

/** False when the wire type is not the field's: then it is kept as an unknown one. */
function readField(reader: Reader, message: Plain, { field, wireType, place }: Found): boolean {
  const wanted = wireTypeOfField(field);
  if (wireType === wanted) {
    keep(message, field, readValue(reader, field, place));
    return true;
  }
  if (field.cardinality !== 'repeated' || wanted === DELIMITED || wireType !== DELIMITED) return false;
  // proto2 readers take packed lists also where writers must not make them.
  for (const end = endOfDelimited(reader); reader.pos < end; ) keep(message, field, readValue(reader, field, place));
  return true;
}

function wireTypeOfField({ type }: FieldPlan): number {
  if (type.kind === 'message') return DELIMITED;
  return type.kind === 'enum' ? VARINT : wireTypeOf(type.name);
}

function keep(message: Plain, field: FieldPlan, value: unknown): void {
  if (field.cardinality !== 'repeated') message[field.name] = value;
  else if (Array.isArray(message[field.name])) (message[field.name] as unknown[]).push(value);
  else message[field.name] = [value];
}

function endOfDelimited(reader: Reader): number {
  const length = reader.uint32();
  if (length > reader.len - reader.pos) throw new RangeError('a length points outside the message');
  return reader.pos + length;
}

function readValue(reader: Reader, { type }: FieldPlan, { dictionary, depth }: Place): unknown {
  switch (type.kind) {
    case 'scalar':
      return readScalar(reader, type.name);
    case 'enum':
      return enumName(dictionary, type.name, reader.int32());
    case 'message':
      return readMessage(reader, endOfDelimited(reader), { dictionary, depth: depth + 1 }, type.name);
    default:
      return type satisfies never;
  }
}

function enumName(dictionary: Dictionary, type: string, raw: number): unknown {
  const found = Object.entries(dictionary.enums[type] ?? {}).find(([, value]) => value === raw);
  return found?.[0] ?? { kind: 'unknown', raw };
}

/** The numbers of the fields in what UNKNOWN_FIELDS holds, each once. */
export function unknownFieldNumbers(unknown: Uint8Array): readonly number[] {
  const reader = readerOf(unknown);
  const numbers = new Set<number>();
  while (reader.pos < reader.len) {
    const tag = reader.tag();
    numbers.add(tag >>> 3);
    reader.skipType(tag & 7, 0, tag >>> 3);
  }
  return [...numbers];
}

/** Throws TypeError or RangeError that names the field when a value is absent, of the wrong type or too big for its field. */
export function encodeMessage<D extends Dictionary, N extends keyof D['messages'] & string>(
  dictionary: D,
  name: N,
  message: MessageOf<D, N>,
): Uint8Array {
  const writer = newWriter();
  writeMessage(writer, message as Plain, dictionary, name);
  return writer.finish();
}

function writeMessage(writer: Writer, message: Plain, dictionary: Dictionary, name: string): void {
  for (const field of planOf(dictionary, name).fields) {
    const value = message[field.name];
    if (value === undefined && field.cardinality === 'required')
      throw new TypeError(`Cannot encode ${name}: no ${field.name}`);
    if (value === undefined) continue;
    try {
      for (const one of field.cardinality === 'repeated' ? (value as readonly unknown[]) : [value])
        writeValue(writer, field, one, dictionary);
    } catch (cause) {
      throw renamed(cause, `${name}.${field.name}`);
    }
  }
  const unknown = message[UNKNOWN_FIELDS];
  if (unknown instanceof Uint8Array) writer.raw(unknown);
}

function renamed(cause: unknown, path: string): unknown {
  const text = `Cannot encode ${path}: ${String((cause as Error).message).replace(/^Cannot encode /, '')}`;
  return cause instanceof RangeError ? new RangeError(text) : new TypeError(text);
}

function writeValue(writer: Writer, field: FieldPlan, value: unknown, dictionary: Dictionary): void {
  writer.uint32((field.id << 3) | wireTypeOfField(field));
  switch (field.type.kind) {
    case 'scalar':
      writeScalar(writer, field.type.name, value);
      return;
    case 'enum':
      writer.int32(enumNumber(dictionary, field.type.name, value));
      return;
    case 'message':
      writer.fork();
      writeMessage(writer, value as Plain, dictionary, field.type.name);
      writer.ldelim();
      return;
    default:
      field.type satisfies never;
  }
}

function enumNumber(dictionary: Dictionary, type: string, value: unknown): number {
  if (typeof value === 'object' && value !== null && 'raw' in value && typeof value.raw === 'number') return value.raw;
  const number = typeof value === 'string' ? dictionary.enums[type]?.[value] : undefined;
  if (number === undefined) throw new TypeError(`${JSON.stringify(value)} is not a value of ${type}`);
  return number;
}
