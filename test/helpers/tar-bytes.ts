// Archives block by block, also such as nobody who means well would write.

import { Header, type HeaderData } from 'tar';

const BLOCK = 512;
export const END = Buffer.alloc(2 * BLOCK);

/** A header block with any type letter, name and size, and a right checksum. */
export function block(fields: HeaderData & { readonly letter?: string }): Buffer {
  const bytes = Buffer.alloc(BLOCK);
  const { letter = '0', path = 'x', ...rest } = fields;
  const header = new Header({ mode: 0o644, uid: 0, gid: 0, size: 0, mtime: new Date(0), ...rest });
  header.encode(bytes);
  bytes.fill(0, 0, 100);
  bytes.write(path, 0, 100);
  bytes[156] = letter.charCodeAt(0);
  return checksummed(bytes);
}

export function checksummed(bytes: Buffer): Buffer {
  bytes.fill(0x20, 148, 156);
  const sum = bytes.reduce((total, byte) => total + byte, 0);
  bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return bytes;
}

export function padded(content: string | Buffer): Buffer {
  const bytes = Buffer.from(content);
  return Buffer.concat([bytes, Buffer.alloc((BLOCK - (bytes.length % BLOCK)) % BLOCK)]);
}

export function file(path: string, content: string | Buffer = 'content'): Buffer {
  return Buffer.concat([block({ path, size: Buffer.byteLength(content) }), padded(content)]);
}

/** `letter` x for the next member, g for all. */
export function pax(records: Readonly<Record<string, string>>, letter: 'x' | 'g' = 'x'): Buffer {
  const body = Object.entries(records).map(([key, value]) => record(key, value));
  return raw(Buffer.from(body.join('')), letter);
}

export function raw(body: Buffer, letter: string): Buffer {
  return Buffer.concat([block({ path: 'PaxHeader', size: body.length, letter }), padded(body)]);
}

export function record(key: string, value: string): string {
  const rest = Buffer.byteLength(` ${key}=${value}\n`);
  let length = rest + 1;
  while (String(length).length + rest !== length) length += 1;
  return `${length} ${key}=${value}\n`;
}
