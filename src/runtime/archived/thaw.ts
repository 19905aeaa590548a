// A container that is paused for its checkpoint is not to be restored as a paused one: CRIU keeps the state of freezers among the properties
// of cgroups (cgroup.img) and gives it back.

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeImage, type ImageEntry } from '../../images/codec/decode.js';
import { encodeImage } from '../../images/codec/encode.js';

/** What stands in a frozen cgroup, v1 and v2, and what in one that runs. */
const RUNNING: Readonly<Record<string, { readonly frozen: string; readonly running: string }>> = {
  'freezer.state': { frozen: 'FROZEN', running: 'THAWED' },
  'cgroup.freeze': { frozen: '1', running: '0' },
};

/** No image (cgroups were not kept) is nothing to do. Rejects with IMAGES_CORRUPT. */
export async function thawInImages(imagesDir: string): Promise<void> {
  const path = join(imagesDir, 'cgroup.img');
  const bytes = await readFile(path).catch(() => undefined);
  if (bytes === undefined) return;
  const image = decodeImage(bytes, path);
  const entries = image.entries.map((entry) => ({ ...entry, message: thawed(entry.message) }) as ImageEntry);
  await writeFile(path, encodeImage({ ...image, entries }), { mode: 0o600 });
}

// Directories lie in controllers and in one another; a property is a name and a value wherever it stands.
function thawed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(thawed);
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value;
  const copy: object = Object.create(Object.getPrototypeOf(value) as object | null);
  for (const key of Reflect.ownKeys(value)) Reflect.set(copy, key, thawed(Reflect.get(value, key)));
  const rule = RUNNING[String(Reflect.get(value, 'name'))];
  if (rule !== undefined && Reflect.get(value, 'value') === rule.frozen) Reflect.set(copy, 'value', rule.running);
  return copy;
}
