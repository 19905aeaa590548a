// A certificate for one receiver: a new key, signed by itself, good for as long as the process lives. Nobody verifies a chain: the token
// carries its fingerprint. X.509 (RFC 5280) in the few DER types that it takes, because node:crypto makes keys and signatures but no
// certificates.

import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';

export interface Certificate {
  /** PEM. */
  readonly key: string;
  /** PEM. */
  readonly cert: string;
  /** SHA-256 of the certificate. */
  readonly fingerprint: Buffer;
}

export function makeCertificate(): Certificate {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const der = certificateOf(privateKey, publicKey);
  const body = der.toString('base64').replace(/.{64}(?=.)/g, '$&\n');
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    cert: `-----BEGIN CERTIFICATE-----\n${body}\n-----END CERTIFICATE-----\n`,
    fingerprint: fingerprintOf(der),
  };
}

/** Of a certificate in DER. */
export function fingerprintOf(certificate: Uint8Array): Buffer {
  return createHash('sha256').update(certificate).digest();
}

function certificateOf(privateKey: KeyObject, publicKey: KeyObject): Buffer {
  const name = sequence(tagged(SET, sequence(COMMON_NAME, tagged(UTF8, Buffer.from('frazil receive')))));
  const unsigned = sequence(
    tagged(VERSION, integer(Buffer.from([2]))),
    integer(serial()),
    sequence(ECDSA_SHA256),
    name,
    sequence(...ALWAYS),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
  );
  return sequence(
    unsigned,
    sequence(ECDSA_SHA256),
    tagged(BITS, Buffer.from([0]), sign('sha256', unsigned, privateKey)),
  );
}

// Positive, and with its first bit set never with a zero byte in front.
function serial(): Buffer {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return bytes;
}

const SEQUENCE = 0x30;
const SET = 0x31;
const INTEGER = 0x02;
const BITS = 0x03;
const UTF8 = 0x0c;
const GENERALIZED_TIME = 0x18;
const VERSION = 0xa0;
const LONG_LENGTH = 0x80;

// 1.2.840.10045.4.3.2 and 2.5.4.3, with tag and length.
const ECDSA_SHA256 = Buffer.from('06082a8648ce3d040302', 'hex');
const COMMON_NAME = Buffer.from('0603550403', 'hex');
// Clocks of two hosts need not agree: what bounds its life is the process.
const ALWAYS = ['20000101000000Z', '99991231235959Z'].map((time) => tagged(GENERALIZED_TIME, Buffer.from(time)));

function integer(bytes: Buffer): Buffer {
  return tagged(INTEGER, bytes);
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return tagged(SEQUENCE, ...parts);
}

function tagged(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  return Buffer.concat([Buffer.from([tag]), lengthOf(content.length), content]);
}

function lengthOf(length: number): Buffer {
  if (length < LONG_LENGTH) return Buffer.from([length]);
  const digits = length < 0x100 ? [length] : [length >> 8, length & 0xff];
  return Buffer.from([LONG_LENGTH | digits.length, ...digits]);
}
