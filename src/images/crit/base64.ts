// base64 as Python's encodebytes() writes it: a new line after every 76 characters and at the end.

const LINE_BYTES = 57;

export function base64Text(bytes: Uint8Array): string {
  const lines: string[] = [];
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at < buffer.length; at += LINE_BYTES)
    lines.push(buffer.toString('base64', at, Math.min(at + LINE_BYTES, buffer.length)));
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}

const FOREIGN = /[^A-Za-z0-9+/=]/g;

/** `undefined` when it is no base64: what is outside the alphabet is skipped, as in Python; a length that is impossible is not. */
export function base64Bytes(text: string): Buffer | undefined {
  const letters = text.replace(FOREIGN, '');
  if (!/^[^=]*={0,2}$/.test(letters) || letters.length % 4 !== 0) return undefined;
  return Buffer.from(letters, 'base64');
}
