// Where a migration goes to: HOST:PORT, [IPV6]:PORT, or unix:PATH; and by how many connections.

import { isIP } from 'node:net';

export type Address =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string };

/** Page streams. */
export const MAX_STREAMS = 16;

const TCP = /^(?:\[(?<six>[^\]]+)\]|(?<host>[^:[\]]+)):(?<port>\d{1,5})$/;
const MAX_PORT = 65535;
// sun_path, less its final zero.
const MAX_PATH = 107;

/** Throws RangeError. */
export function parseAddress(text: string): Address {
  if (text.startsWith('unix:')) {
    const path = text.slice('unix:'.length);
    if (path === '' || path.length > MAX_PATH) throw wrong(text);
    return { kind: 'unix', path };
  }
  const { six, host = six, port } = TCP.exec(text)?.groups ?? {};
  if (host === undefined || Number(port) > MAX_PORT) throw wrong(text);
  return { kind: 'tcp', host, port: Number(port) };
}

export function formatAddress(address: Address): string {
  if (address.kind === 'unix') return `unix:${address.path}`;
  return isIP(address.host) === 6 ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}

function wrong(text: string): RangeError {
  return new RangeError(`Cannot use "${text}" as an address: HOST:PORT, [IPV6]:PORT or unix:PATH is expected`);
}
