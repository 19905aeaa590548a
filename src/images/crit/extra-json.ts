// What follows a message, as crit shows it.

import { type Entry, type EntryKind, encodeEntry } from '../../schema/images.js';
import type { ImageEntry } from '../codec/decode.js';
import { contentBytes, type Extra } from '../codec/extras.js';
import { base64Text } from './base64.js';
import type { Json, JsonObject } from './json.js';

export function extraJson(extra: Extra): Json {
  switch (extra.kind) {
    case 'bytes':
      return base64Text(extra.bytes);
    case 'tcp-queues':
      return { inq: base64Text(extra.inq), outq: base64Text(extra.outq) };
    case 'semaphores':
      return extra.values;
    case 'messages':
      return extra.messages.flatMap(({ message: { mtype, msize }, bytes }): Json[] => [
        { mtype, msize },
        base64Text(bytes),
      ]);
    default:
      return extra satisfies never;
  }
}

/** Contents of deleted files are left out without a word, as crit does. */
const SILENT: ReadonlySet<EntryKind> = new Set(['ghost_file_entry', 'ghost_chunk_entry']);

/** In place of the payload: `{ extra: '... <1.5KB>' }`. */
export function payloadNote({ kind, message, extra }: ImageEntry): JsonObject {
  if (extra === undefined || SILENT.has(kind)) return {};
  // A segment's size, also where its pages are in another file.
  const bytes = kind === 'ipc_shm_entry' ? Number(message.size) : payloadBytes(extra);
  return { extra: `... <${sizeText(bytes)}>` };
}

function payloadBytes(extra: Extra): number {
  if (extra.kind !== 'messages') return contentBytes(extra);
  return extra.messages.reduce((sum, { message }) => sum + headBytes(message) + message.msize, 0);
}

function headBytes(message: Entry<'ipc_msg'>): number {
  return encodeEntry('ipc_msg', message).length;
}

const UNITS = ['', 'K', 'M', 'G', 'T'];
const UNIT = 1024;

function sizeText(bytes: number): string {
  let size = bytes;
  for (const unit of UNITS) {
    if (size < UNIT) return `${Number.isInteger(size) ? size : toEvenTenth(size)}${unit}B`;
    size /= UNIT;
  }
  return `${size}B`;
}

// Python rounds the exact binary value, JavaScript's toFixed() does too; they differ only where that is a tie.
function toEvenTenth(size: number): string {
  const tenths = size * 10;
  const tie = tenths - Math.floor(tenths) === 0.5;
  return tie && Math.floor(tenths) % 2 === 0 ? (Math.floor(tenths) / 10).toFixed(1) : size.toFixed(1);
}
