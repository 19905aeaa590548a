// The image messages, one dictionary. A schema module of its own so that a program that only talks to CRIU never loads it.

import { CheckpointError } from '../errors/checkpoint-error.js';
import { decodeMessage, encodeMessage, fieldsOf, MalformedMessage } from './codec.js';
import * as architectures from './images/architectures.js';
import * as checkpoint from './images/checkpoint.js';
import * as files from './images/files.js';
import * as memory from './images/memory.js';
import * as namespaces from './images/namespaces.js';
import * as sockets from './images/sockets.js';
import * as tasks from './images/tasks.js';
import type { FieldPlan, MessageOf } from './notation.js';

export const IMAGES = {
  messages: {
    ...tasks.MESSAGES,
    ...architectures.MESSAGES,
    ...memory.MESSAGES,
    ...files.MESSAGES,
    ...sockets.MESSAGES,
    ...namespaces.MESSAGES,
    ...checkpoint.MESSAGES,
  },
  enums: { ...tasks.ENUMS, ...files.ENUMS, ...sockets.ENUMS, ...namespaces.ENUMS, ...checkpoint.ENUMS },
} as const;

type Images = typeof IMAGES;
/** Name of an image message: `pstree_entry`, `core_entry`, ... */
export type EntryKind = keyof Images['messages'] & string;
export type Entry<K extends EntryKind> = MessageOf<Images, K>;

/** One entry, without its length in front. Throws CheckpointError IMAGES_CORRUPT. */
export function decodeEntry<K extends EntryKind>(kind: K, bytes: Uint8Array): Entry<K> {
  try {
    return decodeMessage(IMAGES, kind, bytes);
  } catch (cause) {
    if (!(cause instanceof MalformedMessage)) throw cause;
    throw new CheckpointError('IMAGES_CORRUPT', cause.message, {}, { cause });
  }
}

/** Fields in the order of their numbers, as CRIU writes them. Throws TypeError or RangeError for a value that does not fit. */
export function encodeEntry<K extends EntryKind>(kind: K, entry: Entry<K>): Uint8Array {
  return encodeMessage(IMAGES, kind, entry);
}

/** The fields of an entry with crit's annotations (`hex`, `dev`, `flags:mmap.prot`, `dict:sk`, ...), for those who print them. */
export function entryFields(kind: EntryKind): readonly FieldPlan[] {
  return fieldsOf(IMAGES, kind);
}

/** The names that an enum of an entry has. */
export function enumValues(type: string): readonly string[] {
  return Object.keys((IMAGES.enums as Readonly<Record<string, object>>)[type] ?? {});
}
