// crit's JSON as an image file. crit's own words for what it cannot read are kept, because scripts look for them.

import { CheckpointError } from '../../errors/checkpoint-error.js';
import type { ImageEntry } from '../codec/decode.js';
import { entryPieces, entryRow, headerBytes } from '../codec/encode.js';
import { type ImageName, isImageName } from '../codec/types.js';
import { extraFromJson } from './extra-from-json.js';
import type { Json } from './json.js';
import { NotJson, parseWithList } from './parse-json.js';
import { messageFromJson, objectAt } from './values.js';

/** The bytes of the image file that `json` describes, in pieces. Throws IMAGES_CORRUPT, where `path` names the JSON. */
export function* encodedJson(json: Buffer, path: string): Generator<Uint8Array> {
  try {
    const { name, entries } = imageIn(json);
    yield headerBytes(name);
    let index = 0;
    for (const entry of entries) {
      yield* entryPieces(name, entryFromJson(name, index, entry), index);
      index += 1;
    }
  } catch (cause) {
    throw refused(cause, path);
  }
}

// Entry by entry: a million of them as objects take 700 MB.
function imageIn(json: Buffer): { readonly name: ImageName; readonly entries: Iterable<Json> } {
  const found = parseWithList(json, 'entries');
  const { magic } = 'members' in found ? found.members : objectAt(found.value, 'the image');
  if (typeof magic !== 'string' || !isImageName(magic))
    throw new TypeError(`magic: ${magic === undefined ? 'there is none' : `no image is called ${String(magic)}`}`);
  if (!('list' in found) || found.list === undefined) throw new TypeError('entries: a list is expected');
  return { name: magic, entries: found.list.items };
}

/** The entry at `index` of an image. Throws TypeError that names the place for JSON that is not one. */
export function entryFromJson(name: ImageName, index: number, json: Json): ImageEntry {
  const { kind, extra: extraName } = entryRow(name, index);
  const object = objectAt(json, `entries[${index}]`);
  if (!Object.hasOwn(object, 'extra'))
    return { kind, message: messageFromJson(kind, object, `entries[${index}]`) } as unknown as ImageEntry;
  const { extra = null, ...fields } = object;
  const message = messageFromJson(kind, fields, `entries[${index}]`);
  if (extraName === undefined) throw new TypeError(`entries[${index}].extra: nothing follows a ${kind}`);
  return { kind, message, extra: extraFromJson(extraName, extra, `entries[${index}].extra`) } as unknown as ImageEntry;
}

function refused(cause: unknown, path: string): unknown {
  if (cause instanceof NotJson) {
    const message = `Cannot encode "${path}": Cannot read JSON. Maybe you are feeding me an image with protobuf data? Encode expects JSON input: ${cause.message}`;
    return new CheckpointError('IMAGES_CORRUPT', message, { path }, { cause });
  }
  if (!(cause instanceof TypeError) && !(cause instanceof RangeError)) return cause;
  return new CheckpointError('IMAGES_CORRUPT', `Cannot encode "${path}": ${cause.message}`, { path }, { cause });
}
