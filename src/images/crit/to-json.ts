// An entry as crit shows it. Plain is what crit reads back fastest: numbers as numbers. Pretty is for people: flags as words, pointers
// in hexadecimal, addresses as text; crit and from-json.ts read it back as well.

import { UNKNOWN_FIELDS, unknownFieldNumbers } from '../../schema/codec.js';
import { type EntryKind, entryFields } from '../../schema/images.js';
import type { FieldPlan } from '../../schema/notation.js';
import type { ImageEntry } from '../codec/decode.js';
import { addressText } from './address.js';
import { base64Text } from './base64.js';
import { extraJson, payloadNote } from './extra-json.js';
import type { Json, JsonObject } from './json.js';
import { quotedText } from './quoted-printable.js';
import { deviceText, FLAGS, flagsText, hexText, WORDS } from './words.js';

export interface ShowOptions {
  readonly form: 'plain' | 'pretty';
  /** Without payloads only their sizes are shown. */
  readonly payload: 'shown' | 'sized';
  /** Told once for everything of a newer CRIU: "pagemap_entry: field 6". */
  readonly onNewer?: (what: string) => void;
}

/** Where fields go that the schema does not know: crit does not read this key, from-json.ts does. */
export const UNKNOWN_KEY = 'unknown_fields';

export type Message = Readonly<Record<string | symbol, unknown>>;

/** Of the layout of all images; 1 is CRIU before 2.0 (criu/include/magic.h). */
const KNOWN_VERSION = 2;

/** One entry of an image. */
export function entryJson(entry: ImageEntry, { form, payload, onNewer }: ShowOptions): JsonObject {
  const message = entry.message as unknown as Message;
  const json = messageJson(entry.kind, message, { pretty: form === 'pretty', hex: false, onNewer });
  if (entry.kind === 'inventory_entry' && entry.message.img_version > KNOWN_VERSION)
    onNewer?.(`inventory_entry: img_version ${entry.message.img_version}`);
  if (payload === 'sized') return { ...json, ...payloadNote(entry) };
  return entry.extra === undefined ? json : { ...json, extra: extraJson(entry.extra) };
}

interface How {
  readonly pretty: boolean;
  /** From a field above: hexadecimal goes down into its messages. */
  readonly hex: boolean;
  readonly onNewer: ShowOptions['onNewer'];
}

function messageJson(kind: EntryKind, message: Message, how: How): JsonObject {
  const json: Record<string, Json> = {};
  for (const field of entryFields(kind)) {
    const value = message[field.name];
    if (value !== undefined) json[field.name] = fieldJson(field, value, how);
  }
  const unknown = message[UNKNOWN_FIELDS];
  if (unknown instanceof Uint8Array) {
    json[UNKNOWN_KEY] = base64Text(unknown);
    for (const number of unknownFieldNumbers(unknown)) how.onNewer?.(`${kind}: field ${number}`);
  }
  return json;
}

function fieldJson(field: FieldPlan, value: unknown, how: How): Json {
  if (field.cardinality !== 'repeated') return oneJson(field, value, how);
  const values = value as readonly unknown[];
  const address =
    how.pretty && field.annotations.includes('ipadd') ? addressText(values as readonly number[]) : undefined;
  return address === undefined ? values.map((each) => oneJson(field, each, how)) : [address];
}

function oneJson(field: FieldPlan, value: unknown, how: How): Json {
  const { type, annotations } = field;
  if (type.kind === 'message') {
    const hex = how.hex || annotations.includes('hex');
    return messageJson(type.name as EntryKind, value as Message, { ...how, hex });
  }
  if (value instanceof Uint8Array)
    return annotations.includes('conv:unix_name') ? quotedText(value) : base64Text(value);
  if (typeof value === 'number' || typeof value === 'bigint')
    return how.pretty ? numberJson(field, value, how.hex) : value;
  if (typeof value === 'object' && value !== null && 'raw' in value) {
    how.onNewer?.(`${field.name}: value ${value.raw}`);
    return value.raw as number;
  }
  return value as string | boolean;
}

// In the order in which crit asks.
function numberJson({ name, annotations }: FieldPlan, value: number | bigint, hex: boolean): Json {
  if (annotations.length === 0 && !hex) return value;
  if (hex || annotations.includes('hex')) return hexText(BigInt(value));
  if (annotations.includes('dev')) return deviceText(BigInt(value), annotations.includes('odev') ? 'odev' : 'dev');
  for (const annotation of annotations) {
    const [what, map = ''] = annotation.split(':');
    if (what === 'flags') return flagsText(BigInt(value), FLAGS[map] ?? []);
    if (what === 'dict') return WORDS[map]?.[name]?.[Number(value)] ?? value;
  }
  return value;
}
