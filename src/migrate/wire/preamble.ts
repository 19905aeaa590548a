// What a connection begins with, so that one port serves all: the control stream in plaintext, a page stream of a migration, or TLS.

/** The control stream; in TLS nothing stands before it. */
export const CONTROL = Buffer.from('FRAZILC1');
const PAGES = Buffer.from('FRAZILP1');
const SESSION_BYTES = 16;
const TLS_HANDSHAKE = 22;

/** All connections begin with at least so many bytes: whoever sends fewer says nothing. */
export const FIRST_BYTES = CONTROL.length;
export const PAGES_BYTES = PAGES.length + SESSION_BYTES + 1;
/** Says that the page stream has been found its migration; nothing is sent on it before. */
export const ACCEPTED = Buffer.from('+');

export type Beginning = 'control' | 'pages' | 'tls' | 'unknown';

export function beginningOf(first: Buffer): Beginning {
  if (first.subarray(0, CONTROL.length).equals(CONTROL)) return 'control';
  if (first.subarray(0, PAGES.length).equals(PAGES)) return 'pages';
  return first[0] === TLS_HANDSHAKE ? 'tls' : 'unknown';
}

export function pagesPreamble(session: string, stream: number): Buffer {
  return Buffer.concat([PAGES, Buffer.from(session, 'hex'), Buffer.from([stream])]);
}

export function readPagesPreamble(bytes: Buffer): { readonly session: string; readonly stream: number } {
  const session = bytes.subarray(PAGES.length, PAGES.length + SESSION_BYTES).toString('hex');
  return { session, stream: bytes[PAGES_BYTES - 1] ?? 0 };
}
