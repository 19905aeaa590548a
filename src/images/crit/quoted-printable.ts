// Quoted-printable as Python's binascii writes and reads it (no quoting of tabs, newlines are text): crit's form of a unix socket's
// name, which is bytes, most often a path, or begins with a zero byte.

const MAX_LINE = 76;
const [TAB, NEWLINE, RETURN, SPACE, DOT, EQUALS, TILDE] = [9, 10, 13, 32, 46, 61, 126];

/**
 * Where Python's text cannot be read back as the same bytes (it makes all ends of lines alike), every newline is quoted: crit reads
 * that too.
 */
export function quotedText(bytes: Uint8Array): string {
  const text = quoted(bytes, 'newlines are text');
  return Buffer.compare(quotedBytes(text) ?? Buffer.alloc(0), bytes) === 0 ? text : quoted(bytes, 'newlines are bytes');
}

/** `undefined` for text that is not ASCII. */
export function quotedBytes(text: string): Buffer | undefined {
  if (/[^\0-\x7f]/.test(text)) return undefined;
  const out: number[] = [];
  for (let at = 0; at < text.length; ) {
    const [bytes, length] = unquoted(text, at);
    out.push(...bytes);
    at += length;
  }
  return Buffer.from(out);
}

/** What stands at `at`, and how much of the text that is. */
function unquoted(text: string, at: number): readonly [readonly number[], number] {
  if (text[at] !== '=') return [[text.charCodeAt(at)], 1];
  const next = text[at + 1];
  if (next === undefined) return [[], 1];
  if (next === '\n') return [[], 2];
  if (next === '\r') {
    const end = text.indexOf('\n', at);
    return [[], (end === -1 ? text.length : end + 1) - at];
  }
  if (next === '=') return [[EQUALS], 2];
  const hex = text.slice(at + 1, at + 3);
  return /^[\da-fA-F]{2}$/.test(hex) ? [[Number.parseInt(hex, 16)], 3] : [[EQUALS], 1];
}

function quoted(bytes: Uint8Array, mode: 'newlines are text' | 'newlines are bytes'): string {
  const first = bytes.indexOf(NEWLINE);
  const written = new QuotedLines(first > 0 && bytes[first - 1] === RETURN ? '\r\n' : '\n');
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] ?? 0;
    const following = bytes[i + 1];
    const pair = byte === RETURN && following === NEWLINE;
    if (mustQuote(byte, following, written.column) || (mode === 'newlines are bytes' && isNewline(byte))) {
      written.quote(byte);
    } else if (byte === NEWLINE || pair) {
      written.newline();
      if (pair) i += 1;
    } else {
      written.keep(byte, following);
    }
  }
  return written.text;
}

class QuotedLines {
  readonly #newline: string;
  text = '';
  column = 0;

  constructor(newline: string) {
    this.#newline = newline;
  }

  quote(byte: number): void {
    if (this.column + 3 >= MAX_LINE) this.#break();
    this.text += hex(byte);
    this.column += 3;
  }

  keep(byte: number, following: number | undefined): void {
    if (following !== undefined && following !== NEWLINE && this.column + 1 >= MAX_LINE) this.#break();
    this.text += String.fromCharCode(byte);
    this.column += 1;
  }

  newline(): void {
    this.text = endQuoted(this.text) + this.#newline;
    this.column = 0;
  }

  #break(): void {
    this.text += `=${this.#newline}`;
    this.column = 0;
  }
}

function isNewline(byte: number): boolean {
  return byte === NEWLINE || byte === RETURN;
}

function mustQuote(byte: number, following: number | undefined, line: number): boolean {
  if (byte > TILDE || byte === EQUALS) return true;
  if (byte === DOT && line === 0)
    return following === undefined || following === NEWLINE || following === RETURN || following === 0;
  if (byte === TAB || byte === SPACE) return following === undefined;
  return byte < SPACE && byte !== RETURN && byte !== NEWLINE;
}

// White space before the end of a line would be lost in a mail.
function endQuoted(out: string): string {
  return /[ \t]$/.test(out) ? out.slice(0, -1) + hex(out.charCodeAt(out.length - 1)) : out;
}

function hex(byte: number): string {
  return `=${byte.toString(16).toUpperCase().padStart(2, '0')}`;
}
