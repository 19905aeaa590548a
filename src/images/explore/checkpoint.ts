// The image files of one directory, by what is in them.

import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { CheckpointError } from '../../errors/checkpoint-error.js';
import type { Entry, EntryKind } from '../../schema/images.js';
import { decodeImage, ImageDecoder, type ImageEntry } from '../codec/decode.js';

export interface ReadOptions {
  readonly signal?: AbortSignal;
}

const READ_BYTES = 1 << 20;

/** The messages of a small image. Throws IO, or IMAGES_CORRUPT also when it holds something else than `kind`. */
export async function readEntries<K extends EntryKind>(
  dir: string,
  name: string,
  kind: K,
): Promise<readonly Entry<K>[]> {
  const path = join(dir, name);
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw unreadable(path, cause);
  });
  return decodeImage(bytes, path).entries.map((entry) => messageOf(entry, kind, path));
}

/** The same of an image that need not be there: undefined then. */
export async function readIfThere<K extends EntryKind>(
  dir: string,
  name: string,
  kind: K,
): Promise<readonly Entry<K>[] | undefined> {
  return (await isThere(join(dir, name))) ? readEntries(dir, name, kind) : undefined;
}

/** The one entry of an image that has one. */
export async function readOne<K extends EntryKind>(dir: string, name: string, kind: K): Promise<Entry<K> | undefined> {
  const [first] = (await readIfThere(dir, name, kind)) ?? [];
  return first;
}

/** The runs of a pagemap of any length, without its head; nothing when there is none. */
export async function* readPagemap(
  dir: string,
  name: string,
  { signal }: ReadOptions = {},
): AsyncGenerator<Entry<'pagemap_entry'>> {
  const path = join(dir, name);
  if (!(await isThere(path))) return;
  const decoder = new ImageDecoder(path);
  for await (const bytes of createReadStream(path, {
    highWaterMark: READ_BYTES,
    ...(signal === undefined ? {} : { signal }),
  }))
    for (const entry of decoder.take(bytes)) if (entry.kind === 'pagemap_entry') yield entry.message;
  for (const entry of decoder.finish()) yield messageOf(entry, 'pagemap_entry', path);
}

function messageOf<K extends EntryKind>(entry: ImageEntry, kind: K, path: string): Entry<K> {
  if (entry.kind === kind) return entry.message as Entry<K>;
  const message = `Cannot read "${path}": it holds a ${entry.kind} in place of a ${kind}`;
  throw new CheckpointError('IMAGES_CORRUPT', message, { path });
}

async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    (cause: NodeJS.ErrnoException) => {
      if (cause.code === 'ENOENT') return false;
      throw unreadable(path, cause);
    },
  );
}

function unreadable(path: string, cause: unknown): CheckpointError<'IO'> {
  const { code = 'unknown', syscall = 'unknown' } = cause as NodeJS.ErrnoException;
  return new CheckpointError('IO', `Cannot read "${path}": ${code}`, { path, syscall, errno: code }, { cause });
}
