// Messages of crit's JSON, plain or pretty, as the schema has them. Where crit would guess or drop something, this refuses: a key that
// no field has, a word for a number that is none. Every function throws TypeError that names the place.

import { UNKNOWN_FIELDS } from '../../schema/codec.js';
import { type EntryKind, entryFields, enumValues } from '../../schema/images.js';
import type { FieldPlan } from '../../schema/notation.js';
import { addressWords } from './address.js';
import { base64Bytes } from './base64.js';
import type { Json, JsonObject } from './json.js';
import { quotedBytes } from './quoted-printable.js';
import { UNKNOWN_KEY } from './to-json.js';
import { deviceValue, FLAGS, flagsValue, integerValue, WORDS } from './words.js';

export function messageFromJson(kind: EntryKind, json: JsonObject, place: string): object {
  const message: Record<string | symbol, unknown> = {};
  const fields = entryFields(kind);
  const known = namesOf(fields);
  for (const key in json)
    if (!known.has(key) && key !== UNKNOWN_KEY) throw new TypeError(`${place}.${key}: ${kind} has no such field`);
  for (const field of fields) {
    const value = json[field.name];
    if (value !== undefined) message[field.name] = fieldValue(field, value, `${place}.${field.name}`);
  }
  const unknown = json[UNKNOWN_KEY];
  if (unknown !== undefined) message[UNKNOWN_FIELDS] = bytesAt(unknown, base64Bytes, `${place}.${UNKNOWN_KEY}`);
  return message;
}

const names = new WeakMap<readonly FieldPlan[], ReadonlySet<string>>();

function namesOf(fields: readonly FieldPlan[]): ReadonlySet<string> {
  const known = names.get(fields) ?? new Set(fields.map(({ name }) => name));
  names.set(fields, known);
  return known;
}

function fieldValue(field: FieldPlan, json: Json, place: string): unknown {
  if (field.cardinality !== 'repeated') return oneValue(field, json, place);
  if (!Array.isArray(json)) throw new TypeError(`${place}: a list is expected`);
  const [only] = json;
  if (field.annotations.includes('ipadd') && json.length === 1 && typeof only === 'string' && /[.:]/.test(only)) {
    const words = addressWords(only);
    if (words === undefined) throw new TypeError(`${place}: "${only}" is no address`);
    return words;
  }
  return json.map((each: Json, i) => oneValue(field, each, `${place}[${i}]`));
}

function oneValue(field: FieldPlan, json: Json, place: string): unknown {
  const { type } = field;
  if (type.kind === 'message') return messageFromJson(type.name as EntryKind, objectAt(json, place), place);
  if (type.kind === 'enum') return enumValue(type.name, json, place);
  switch (type.name) {
    case 'bytes':
      return bytesAt(json, field.annotations.includes('conv:unix_name') ? quotedBytes : base64Bytes, place);
    case 'string':
      if (typeof json !== 'string') throw new TypeError(`${place}: a string is expected`);
      return json;
    case 'bool':
      if (typeof json !== 'boolean') throw new TypeError(`${place}: true or false is expected`);
      return json;
    default:
      return numberOf(field, json, place);
  }
}

function numberOf(field: FieldPlan, json: Json, place: string): number | bigint {
  const value = typeof json === 'string' ? spelled(field, json) : json;
  if ((typeof value !== 'number' && typeof value !== 'bigint') || !isWhole(value))
    throw new TypeError(
      `${place}: ${typeof json === 'string' ? `"${json}" is no number here` : 'a whole number is expected'}`,
    );
  return field.type.name.endsWith('64') ? BigInt(value) : Number(value);
}

function isWhole(value: number | bigint): boolean {
  return typeof value === 'bigint' || Number.isInteger(value);
}

/** A number that the pretty form writes as text. */
function spelled({ name, annotations }: FieldPlan, text: string): number | bigint | undefined {
  if (annotations.includes('dev')) return deviceValue(text, annotations.includes('odev') ? 'odev' : 'dev');
  for (const annotation of annotations) {
    const [what, map = ''] = annotation.split(':');
    const flags = FLAGS[map];
    if (what === 'flags' && flags !== undefined) return flagsValue(text, flags);
    const found = Object.entries(WORDS[map]?.[name] ?? {}).find(([, word]) => word === text);
    if (what === 'dict' && found !== undefined) return Number(found[0]);
  }
  return integerValue(text);
}

function enumValue(type: string, json: Json, place: string): unknown {
  if (typeof json === 'number' && Number.isInteger(json)) return { kind: 'unknown', raw: json };
  if (typeof json === 'string' && enumValues(type).includes(json)) return json;
  throw new TypeError(`${place}: ${JSON.stringify(json, bigintText)} is not a value of ${type}`);
}

function bigintText(_: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value;
}

export function bytesAt(json: Json, bytesOf: (text: string) => Buffer | undefined, place: string): Buffer {
  const bytes = typeof json === 'string' ? bytesOf(json) : undefined;
  if (bytes === undefined) throw new TypeError(`${place}: it does not spell bytes`);
  return bytes;
}

export function objectAt(json: Json, place: string): JsonObject {
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    throw new TypeError(`${place}: an object is expected`);
  return json as JsonObject;
}
