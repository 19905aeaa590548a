// JSON from bytes, with whole numbers of any size: JSON.parse() rounds what has more than 53 bits, and a Node that tells a reviver
// what was written is newer than the oldest that Frazil runs on. From bytes, because the JSON of a large image is longer than the
// longest string of V8.

import type { Json, JsonObject } from './json.js';

export class NotJson extends Error {
  override readonly name = 'NotJson';
}

// crit's JSON is four levels deep, and deeper only where cgroups or AppArmor namespaces nest.
const MAX_DEPTH = 256;

/** Numbers are `number` where that is exact, else `bigint`. Throws NotJson with the place. */
export function parseJson(bytes: Buffer): Json {
  const parser = new Parser(bytes);
  const value = parser.value(0);
  parser.end();
  return value;
}

/** A list that is read when it is iterated, each time anew. */
export interface LazyList {
  readonly items: Iterable<Json>;
}

/**
 * The members of an object of which one, `listed`, is a list too long to hold: undefined when that member is not there. Its items are
 * parsed one by one, and NotJson for what is wrong in them comes then. Throws NotJson.
 */
export function parseWithList(
  bytes: Buffer,
  listed: string,
): { readonly members: JsonObject; readonly list?: LazyList } | { readonly value: Json } {
  const parser = new Parser(bytes);
  if (!parser.at(OPEN)) return { value: parseJson(bytes) };
  const members: Record<string, Json> = {};
  let from: number | undefined;
  parser.members((key) => {
    if (key === listed && parser.at(CODES.openList)) {
      from = parser.offset;
      parser.skip();
    } else {
      put(members, key, parser.value(1));
    }
  });
  parser.end();
  return from === undefined ? { members } : { members, list: { items: itemsFrom(bytes, from) } };
}

function itemsFrom(bytes: Buffer, from: number): Iterable<Json> {
  return { [Symbol.iterator]: () => new Parser(bytes, from).items() };
}

const CODES = { quote: 0x22, comma: 0x2c, colon: 0x3a, backslash: 0x5c, openList: 0x5b, closeList: 0x5d };
const [OPEN, CLOSE] = [0x7b, 0x7d];
const ESCAPED: Readonly<Record<string, string>> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
};
const CONSTANTS = { true: true, false: false, null: null } as const;

class Parser {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer, from = 0) {
    this.#bytes = bytes;
    this.#at = from;
  }

  get offset(): number {
    return this.#at;
  }

  /** Whether a value that begins so comes next. */
  at(code: number): boolean {
    return this.#peek() === code;
  }

  value(depth: number): Json {
    if (depth > MAX_DEPTH) throw this.#wrong(`it nests deeper than ${MAX_DEPTH}`);
    const code = this.#peek();
    if (code === CODES.quote) return this.#string();
    if (code === OPEN) return this.#object(depth);
    if (code === CODES.openList) return this.#list(depth);
    return this.#scalar();
  }

  end(): void {
    if (this.#peek() !== undefined) throw this.#wrong('something follows it');
  }

  #object(depth: number): Json {
    const object: Record<string, Json> = {};
    this.members((key) => put(object, key, this.value(depth + 1)));
    return object;
  }

  /** Of the object that comes next. `read` takes the value. */
  members(read: (key: string) => void): void {
    this.#at += 1;
    if (this.#take(CLOSE)) return;
    do {
      if (this.#peek() !== CODES.quote) throw this.#wrong('a key is expected');
      const key = this.#string();
      if (!this.#take(CODES.colon)) throw this.#wrong('":" is expected');
      this.#peek();
      read(key);
    } while (this.#take(CODES.comma));
    if (!this.#take(CLOSE)) throw this.#wrong('"," or "}" is expected');
  }

  /** Of the list that comes next, which is a member of the outermost object. */
  *items(): Generator<Json> {
    this.#at += 1;
    if (this.#take(CODES.closeList)) return;
    do yield this.value(2);
    while (this.#take(CODES.comma));
    if (!this.#take(CODES.closeList)) throw this.#wrong('"," or "]" is expected');
  }

  #list(depth: number): Json {
    const list: Json[] = [];
    this.#at += 1;
    if (this.#take(CODES.closeList)) return list;
    do list.push(this.value(depth + 1));
    while (this.#take(CODES.comma));
    if (!this.#take(CODES.closeList)) throw this.#wrong('"," or "]" is expected');
    return list;
  }

  /** Goes past the list that comes next, looking only at brackets and strings. */
  skip(): void {
    const bytes = this.#bytes;
    let depth = 0;
    let quoted = false;
    for (; this.#at < bytes.length; this.#at += 1) {
      const code = bytes[this.#at];
      if (code === CODES.quote) quoted = !quoted;
      else if (quoted) this.#at += code === CODES.backslash ? 1 : 0;
      else if (code === CODES.openList) depth += 1;
      else if (code === CODES.closeList) depth -= 1;
      if (depth === 0) break;
    }
    if (depth > 0) throw this.#wrong('a list has no end');
    this.#at += 1;
  }

  #string(): string {
    const from = this.#at + 1;
    let end = from;
    let plain = true;
    for (let code = this.#bytes[end]; code !== CODES.quote; code = this.#bytes[end]) {
      if (code === undefined) throw this.#wrong('a string has no end');
      if (code === CODES.backslash) end += 1;
      if (code === CODES.backslash || code > 0x7e || code < 0x20) plain = false;
      end += 1;
    }
    this.#at = end + 1;
    if (plain) return this.#bytes.toString('latin1', from, end);
    return this.#unescaped(this.#bytes.toString('utf8', from, end));
  }

  #unescaped(text: string): string {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what JSON does not allow
    if (/[\u0000-\u001f]/.test(text)) throw this.#wrong('a string holds a control character');
    return text.replace(/\\(?:u([\da-fA-F]{4})|u?(.?))/gsu, (_, hex: string | undefined, letter: string) => {
      const character = hex === undefined ? ESCAPED[letter] : String.fromCharCode(Number.parseInt(hex, 16));
      if (character === undefined) throw this.#wrong(`"\\${letter}" means nothing`);
      return character;
    });
  }

  #scalar(): Json {
    const from = this.#at;
    while (isWordCode(this.#bytes[this.#at])) this.#at += 1;
    const word = this.#bytes.toString('latin1', from, this.#at);
    if (/^-?(?:0|[1-9]\d*)$/.test(word)) return wholeNumber(word);
    if (Object.hasOwn(CONSTANTS, word)) return CONSTANTS[word as keyof typeof CONSTANTS];
    if (/^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/.test(word)) return Number(word);
    this.#at = from;
    throw this.#wrong('a value is expected');
  }

  /** The code of what comes next after white space. */
  #peek(): number | undefined {
    for (;;) {
      const code = this.#bytes[this.#at];
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return code;
      this.#at += 1;
    }
  }

  #take(code: number): boolean {
    const found = this.#peek() === code;
    if (found) this.#at += 1;
    return found;
  }

  #wrong(why: string): NotJson {
    return new NotJson(`${why} (byte ${this.#at})`);
  }
}

// An object without a prototype would need no care for this one key, and takes five times as long to fill.
function put(object: Record<string, Json>, key: string, value: Json): void {
  if (key !== '__proto__') object[key] = value;
  else Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true });
}

function wholeNumber(word: string): number | bigint {
  const number = Number(word);
  return Number.isSafeInteger(number) ? number : BigInt(word);
}

/** Letters, digits, sign, dot. */
function isWordCode(code: number | undefined): boolean {
  if (code === undefined) return false;
  return (
    (code >= 0x30 && code <= 0x39) ||
    ((code | 0x20) - 0x61) >>> 0 < 26 ||
    code === 0x2b ||
    code === 0x2d ||
    code === 0x2e
  );
}
