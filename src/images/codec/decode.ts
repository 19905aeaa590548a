// An image file as typed entries. The decoder does no I/O and keeps no more than the entry that is not whole yet, so that it serves
// files, streams and archives alike. What a newer CRIU has added to a message is kept (UNKNOWN_FIELDS) and written back by encode.ts.

import { CheckpointError } from '../../errors/checkpoint-error.js';
import { decodeEntry, type Entry, type EntryKind } from '../../schema/images.js';
import { bufferOf, entryAt } from '../entry-walk.js';
import { type Extra, takeExtra } from './extras.js';
import {
  type EntryRow,
  type ImageName,
  type ImageType,
  imageOfMagic,
  imageType,
  PREFIXES,
  type Prefix,
} from './types.js';

/** A message under the name of its kind, with what followed it. */
export type ImageEntry<K extends EntryKind = EntryKind> = {
  readonly [Kind in K]: { readonly kind: Kind; readonly message: Entry<Kind>; readonly extra?: Extra };
}[K];

export interface Image {
  readonly name: ImageName;
  /** What stood in front of the magic: the type's own, or none in images of CRIU before 2.0. */
  readonly prefix: Prefix;
  readonly entries: readonly ImageEntry[];
}

const MAGIC_BYTES = 4;
const NOTHING = Buffer.alloc(0);
const NO_MESSAGE = Object.freeze({});

/** A whole image file. Throws IMAGES_CORRUPT with `path` and the offset of what is wrong. */
export function decodeImage(bytes: Uint8Array, path: string): Image {
  const decoder = new ImageDecoder(path);
  const entries = [...decoder.take(bytes), ...decoder.finish()];
  const { name, prefix } = decoder.header;
  return { name, prefix, entries };
}

export interface ImageHeader {
  readonly name: ImageName;
  readonly prefix: Prefix;
}

interface Header extends ImageHeader {
  readonly type: ImageType;
}

/** Takes an image piece by piece. Entries are given out as soon as they are whole, in order. */
export class ImageDecoder {
  readonly #path: string;
  readonly #decodeAll: boolean;
  #header: Header | undefined;
  #rest: Buffer = NOTHING;
  /** Pieces that came since, and what must be there before it is worth looking again. */
  #waiting: Uint8Array[] = [];
  #missing = 1;
  #offset = 0;
  #count = 0;

  /** Who only counts needs those messages that say how much follows them; the others are empty then. */
  constructor(path: string, { messages }: { readonly messages: 'all' | 'where needed' } = { messages: 'all' }) {
    this.#path = path;
    this.#decodeAll = messages === 'all';
  }

  /** Throws IMAGES_CORRUPT as long as the file is too short to have one. */
  get header(): ImageHeader {
    if (this.#header === undefined) throw corrupt(this.#path, 0, 'it is too short for an image file');
    return this.#header;
  }

  /** The entries that are whole now. To be read to the end before the next call. */
  *take(bytes: Uint8Array): Generator<ImageEntry> {
    this.#waiting.push(bytes);
    this.#missing -= bytes.length;
    if (this.#missing <= 0) yield* this.#entries(false);
  }

  /** What only the end of the file completes. Throws IMAGES_CORRUPT when an entry is cut short. */
  *finish(): Generator<ImageEntry> {
    yield* this.#entries(true);
    void this.header;
  }

  *#entries(final: boolean): Generator<ImageEntry> {
    const bytes = this.#gather();
    let at = this.#readHeader(bytes, final);
    while (this.#header !== undefined) {
      const step = this.#next(bytes, at, final);
      if (step.kind === 'more') {
        this.#missing = at + step.needed - bytes.length;
        break;
      }
      at = step.next;
      this.#count += 1;
      yield step.entry;
    }
    this.#rest = bytes.subarray(at);
    this.#offset += at;
  }

  #gather(): Buffer {
    const [first = NOTHING, ...others] = this.#waiting;
    this.#waiting = [];
    if (this.#rest.length === 0 && others.length === 0) return bufferOf(first);
    return Buffer.concat([this.#rest, first, ...others]);
  }

  /** Where the entries begin in `bytes`; 0 when they have begun before, or the header is not all here. */
  #readHeader(bytes: Buffer, final: boolean): number {
    if (this.#header !== undefined) return 0;
    const found = headerIn(bytes, this.#path);
    if (found !== undefined) {
      this.#header = found.header;
      return found.bytes;
    }
    if (final) throw corrupt(this.#path, 0, 'it is too short for an image file');
    this.#missing = 2 * MAGIC_BYTES - bytes.length;
    return 0;
  }

  #next(bytes: Buffer, at: number, final: boolean): Next {
    const step = entryAt(bytes, at);
    if (step.kind === 'damaged') throw this.#corrupt(at, 'it announces an entry that is too long to be one');
    if (step.kind === 'end') return { kind: 'more', needed: 1 };
    if (step.kind === 'cut') return this.#more(at, step.needed, final);
    const row = this.#row();
    const message =
      this.#decodeAll || row.extra !== undefined
        ? this.#guarded(at, () => decodeEntry(row.kind, step.payload))
        : NO_MESSAGE;
    if (row.extra === undefined)
      return { kind: 'entry', entry: { kind: row.kind, message } as ImageEntry, next: step.next };
    const { extra: name } = row;
    const taken = this.#guarded(at, () => takeExtra(name, { bytes, at: step.next, final }, message));
    if (taken.kind === 'damaged') throw this.#corrupt(step.next, 'what follows the entry is not what it announces');
    if (taken.kind === 'cut') return this.#more(at, step.next - at + taken.needed, final);
    const { extra, next } = taken;
    const entry = { kind: row.kind, message, ...(extra === undefined ? {} : { extra }) };
    return { kind: 'entry', entry: entry as ImageEntry, next };
  }

  #more(at: number, needed: number, final: boolean): Next {
    if (final) throw this.#corrupt(at, 'it is cut short');
    return { kind: 'more', needed };
  }

  #row(): EntryRow {
    const { first, entry } = (this.#header as Header).type;
    return this.#count === 0 && first !== undefined ? first : entry;
  }

  #guarded<T>(at: number, decode: () => T): T {
    try {
      return decode();
    } catch (cause) {
      if (!CheckpointError.is(cause, 'IMAGES_CORRUPT')) throw cause;
      throw this.#corrupt(at, `entry ${this.#count}: ${cause.message}`, cause);
    }
  }

  #corrupt(at: number, why: string, cause?: unknown): CheckpointError<'IMAGES_CORRUPT'> {
    return corrupt(this.#path, this.#offset + at, why, cause);
  }
}

type Next =
  | { readonly kind: 'entry'; readonly entry: ImageEntry; readonly next: number }
  | { readonly kind: 'more'; readonly needed: number };

function headerIn(bytes: Buffer, path: string): { readonly header: Header; readonly bytes: number } | undefined {
  if (bytes.length < MAGIC_BYTES) return undefined;
  const first = bytes.readUInt32LE(0);
  const prefix = first === PREFIXES.common ? 'common' : first === PREFIXES.service ? 'service' : 'none';
  const at = prefix === 'none' ? 0 : MAGIC_BYTES;
  if (bytes.length < at + MAGIC_BYTES) return undefined;
  const magic = bytes.readUInt32LE(at);
  const name = imageOfMagic(magic);
  if (name === undefined) throw unknownMagic(path, magic, at);
  return { header: { name, prefix, type: imageType(name) }, bytes: at + MAGIC_BYTES };
}

// The words of crit, which scripts look for.
function unknownMagic(path: string, magic: number, offset: number): CheckpointError<'IMAGES_CORRUPT'> {
  const message = `Cannot decode "${path}": Unknown magic 0x${magic.toString(16)}. Maybe you are feeding me an image with raw data (i.e. pages.img)?`;
  return new CheckpointError('IMAGES_CORRUPT', message, { path, offset });
}

function corrupt(path: string, offset: number, why: string, cause?: unknown): CheckpointError<'IMAGES_CORRUPT'> {
  const message = `Cannot decode "${path}": ${why} (byte ${offset})`;
  return new CheckpointError('IMAGES_CORRUPT', message, { path, offset }, cause === undefined ? {} : { cause });
}
