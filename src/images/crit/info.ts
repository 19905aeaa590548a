// What an image file is, and how many entries it has: the answer of `crit info`. crit steps from length to length as if nothing ever
// followed an entry, so its figure is wrong or missing where something does; this one is right.

import { ImageDecoder } from '../codec/decode.js';
import { type ImageName, imageType } from '../codec/types.js';

export interface ImageInfo {
  readonly magic: ImageName;
  /** The head of a pagemap is not counted, as in crit. */
  readonly count: number;
}

/** Throws IMAGES_CORRUPT, where `path` names the image. */
export async function imageInfo(source: AsyncIterable<Uint8Array>, path: string): Promise<ImageInfo> {
  const decoder = new ImageDecoder(path, { messages: 'where needed' });
  let entries = 0;
  for await (const bytes of source) entries += counted(decoder.take(bytes));
  entries += counted(decoder.finish());
  const { name } = decoder.header;
  const heads = imageType(name).first?.kind === 'pagemap_head' ? Math.min(entries, 1) : 0;
  return { magic: name, count: entries - heads };
}

function counted(entries: Iterable<unknown>): number {
  let count = 0;
  for (const _ of entries) count += 1;
  return count;
}
