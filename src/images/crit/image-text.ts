// An image file as the text of `crit decode`, entry by entry, so that a pagemap of a million entries is never one string.

import type { ImageEntry } from '../codec/decode.js';
import { ImageDecoder } from '../codec/decode.js';
import { jsonText, lineAt } from './json.js';
import { entryJson, type ShowOptions } from './to-json.js';

// A string of this length costs as little a character as longer ones, measured with a million entries.
const PIECE_CHARACTERS = 65_536;

/**
 * The text of the image that `source` gives, without a new line at the end. Throws IMAGES_CORRUPT, where `path` names the image; what
 * came before it has been given out then.
 */
export async function* imageText(
  source: AsyncIterable<Uint8Array>,
  path: string,
  options: ShowOptions,
): AsyncGenerator<string> {
  const decoder = new ImageDecoder(path);
  const writer = new EntryWriter(options);
  for await (const bytes of source) yield* writer.pieces(decoder.take(bytes), decoder);
  yield* writer.pieces(decoder.finish(), decoder);
  yield writer.end(decoder);
}

class EntryWriter {
  readonly #options: ShowOptions;
  readonly #layout: 'pretty' | 'compact';
  #begun = false;
  #text = '';

  constructor(options: ShowOptions) {
    this.#options = options;
    this.#layout = options.form === 'pretty' ? 'pretty' : 'compact';
  }

  *pieces(entries: Iterable<ImageEntry>, decoder: ImageDecoder): Generator<string> {
    for (const entry of entries) {
      this.#text += this.#begun ? this.#between() : this.#start(decoder) + this.#line(2);
      this.#begun = true;
      this.#text += jsonText(entryJson(entry, this.#options), this.#layout, 2);
      if (this.#text.length < PIECE_CHARACTERS) continue;
      yield this.#text;
      this.#text = '';
    }
  }

  end(decoder: ImageDecoder): string {
    const open = this.#begun ? this.#text + this.#line(1) : this.#start(decoder);
    return `${open}]${this.#line(0)}}`;
  }

  #start({ header }: ImageDecoder): string {
    return `{${this.#line(1)}"magic": "${header.name}",${this.#layout === 'pretty' ? this.#line(1) : ' '}"entries": [`;
  }

  #between(): string {
    return this.#layout === 'pretty' ? `,${lineAt(2)}` : ', ';
  }

  #line(depth: number): string {
    return this.#layout === 'pretty' ? lineAt(depth) : '';
  }
}
