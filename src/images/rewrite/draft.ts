// The images of a checkpoint while they are being rewritten: read when first asked for, changed in memory, each change noted. Nothing of
// the checkpoint itself is touched.

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { MemoryPatch } from '../../addon/images.js';
import { CheckpointError, failIo } from '../../errors/checkpoint-error.js';
import { decodeImage, type Image, type ImageEntry } from '../codec/decode.js';
import { encodeImage } from '../codec/encode.js';

/** One field of one entry. Values as a person writes them. */
export interface Change {
  readonly file: string;
  /** What the entry is, such as "socket 17" or "task 42". */
  readonly entry: string;
  readonly field: string;
  readonly old: string;
  readonly new: string;
}

export interface Checkpoint {
  readonly imagesDir: string;
  /** What messages call it, when that is not its path. */
  readonly named?: string;
}

// Images with as many entries as a tree has files are some MiB; one that is larger is not one of those that are rewritten.
const LARGEST = 1 << 30;

export class Draft {
  readonly imagesDir: string;
  readonly names: readonly string[];
  readonly #named: string;
  readonly changes: Change[] = [];
  readonly #images = new Map<string, Image>();
  readonly #changed = new Set<string>();
  readonly #patches = new Map<string, MemoryPatch[]>();

  private constructor({ imagesDir, named = imagesDir }: Checkpoint, names: readonly string[]) {
    this.imagesDir = imagesDir;
    this.#named = named;
    this.names = names;
  }

  /** Throws IO. */
  static async open(checkpoint: Checkpoint): Promise<Draft> {
    const { imagesDir, named = imagesDir } = checkpoint;
    const names = await readdir(imagesDir).catch(failIo(`Cannot read the images directory "${named}"`, imagesDir));
    return new Draft(checkpoint, names.toSorted());
  }

  matching(pattern: RegExp): readonly string[] {
    return this.names.filter((name) => pattern.test(name));
  }

  /** Nothing when there is no such image. Throws IMAGES_CORRUPT. */
  async entries(name: string): Promise<readonly ImageEntry[]> {
    return (await this.#image(name))?.entries ?? [];
  }

  /** Replaces each entry by what `change` makes of it; the same object says that it stays. */
  async update(name: string, change: (entry: ImageEntry) => ImageEntry): Promise<void> {
    const image = await this.#image(name);
    if (image === undefined) return;
    const entries = image.entries.map(change);
    if (entries.every((entry, index) => entry === image.entries[index])) return;
    this.#images.set(name, { ...image, entries });
    this.#changed.add(name);
  }

  note(change: Change): void {
    this.changes.push(change);
  }

  /** Bytes in the memory that `pagemap` describes. */
  patch(pagemap: string, patch: MemoryPatch): void {
    this.#patches.set(pagemap, [...(this.#patches.get(pagemap) ?? []), patch]);
  }

  /** By pagemap, ascending. */
  get patches(): ReadonlyMap<string, readonly MemoryPatch[]> {
    return new Map(
      [...this.#patches].map(([name, list]) => [name, list.toSorted((a, b) => (a.vaddr < b.vaddr ? -1 : 1))]),
    );
  }

  /** The image files that are no longer what they were. */
  *files(): Generator<{ readonly name: string; readonly bytes: Uint8Array }> {
    for (const name of this.#changed) {
      const image = this.#images.get(name);
      if (image !== undefined) yield { name, bytes: encodeImage(image) };
    }
  }

  /** What the checkpoint does not allow; `why` is a sentence with its remedy. */
  refuse(file: string, why: string): CheckpointError<'REWRITE_REFUSED'> {
    const imagesDir = this.#named;
    return new CheckpointError('REWRITE_REFUSED', `Cannot rewrite "${imagesDir}": ${file}: ${why}`, {
      imagesDir,
      path: join(imagesDir, file),
    });
  }

  async #image(name: string): Promise<Image | undefined> {
    const known = this.#images.get(name);
    if (known !== undefined || !this.names.includes(name)) return known;
    const path = join(this.imagesDir, name);
    const bytes = await readFile(path);
    if (bytes.length > LARGEST) throw this.refuse(name, 'it is too large for an image of its kind');
    const image = decodeImage(bytes, path);
    this.#images.set(name, image);
    return image;
  }
}
