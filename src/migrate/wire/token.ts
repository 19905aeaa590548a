// The token that `receive` prints and `migrate` takes: who the receiver is (the fingerprint of its certificate) and that the source may
// (a secret). It is good for one migration, and for the questions of that one.

import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { TLSSocket } from 'node:tls';

export interface Token {
  readonly fingerprint: Buffer;
  readonly secret: Buffer;
}

const PREFIX = 'fz1-';
const FINGERPRINT_BYTES = 32;
const SECRET_BYTES = 16;
export const PROOF_BYTES = 32;

export function newSecret(): Buffer {
  return randomBytes(SECRET_BYTES);
}

export function formatToken({ fingerprint, secret }: Token): string {
  return PREFIX + Buffer.concat([fingerprint, secret]).toString('base64url');
}

/** Throws RangeError, without saying what was given. */
export function parseToken(text: string): Token {
  const bytes = Buffer.from(text.slice(PREFIX.length), 'base64url');
  if (!text.startsWith(PREFIX) || bytes.length !== FINGERPRINT_BYTES + SECRET_BYTES)
    throw new RangeError('Cannot use the token: it is not one that "frazil receive" has printed');
  return { fingerprint: bytes.subarray(0, FINGERPRINT_BYTES), secret: bytes.subarray(FINGERPRINT_BYTES) };
}

/** That we know the secret, for this connection and no other: it is bound to the keys of the connection. */
export function proofOf(secret: Uint8Array, socket: TLSSocket): Buffer {
  const binding = socket.exportKeyingMaterial(PROOF_BYTES, 'EXPORTER-frazil-proof', Buffer.alloc(0));
  return createHmac('sha256', secret).update(binding).digest();
}

export function proves(proof: Buffer, secret: Uint8Array, socket: TLSSocket): boolean {
  return proof.length === PROOF_BYTES && timingSafeEqual(proof, proofOf(secret, socket));
}

/** The key of a page stream, known to both ends of the control stream and to nobody else. */
export function pageKeyOf(socket: TLSSocket, stream: number): Uint8Array {
  return socket.exportKeyingMaterial(32, 'EXPORTER-frazil-pages', Buffer.from([stream]));
}

export interface LeftKeys {
  readonly toDestination: Uint8Array;
  readonly toSource: Uint8Array;
}

/** The keys of the connection on which pages that were left behind are asked for. */
export function leftKeysOf(socket: TLSSocket): LeftKeys {
  const key = (way: number): Uint8Array => socket.exportKeyingMaterial(32, 'EXPORTER-frazil-left', Buffer.from([way]));
  return { toDestination: key(0), toSource: key(1) };
}
