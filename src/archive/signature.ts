// ed25519 over the digest of the whole (frazil-index.ts). The key in the archive only says who claims to have signed: trust is in the keys
// that the reader brings.

import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import type { Seal, Signer } from './frazil-index.js';

const RAW_BYTES = 32;
const PUBLIC_DER = Buffer.from('302a300506032b6570032100', 'hex');
// So that a signature of an archive is one of nothing else.
const CONTEXT = Buffer.from('frazil archive v1\0');

/** PEM, or base64 of the 32 bytes. Throws RangeError. */
export function parsePublicKey(text: string): KeyObject {
  try {
    const key = text.includes('BEGIN') ? createPublicKey(text) : fromRaw(Buffer.from(text.trim(), 'base64'));
    if (key.asymmetricKeyType === 'ed25519') return key;
  } catch (cause) {
    throw new RangeError('Cannot use the public key: it is neither PEM nor base64 of 32 bytes', { cause });
  }
  throw new RangeError('Cannot use the public key: it is not of ed25519');
}

/** What signs an archive, with a private key in PEM. Throws RangeError. */
export function signerOf(pem: string): Signer {
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch (cause) {
    throw new RangeError('Cannot use the signing key: it is no private key in PEM', { cause });
  }
  if (key.asymmetricKeyType !== 'ed25519') throw new RangeError('Cannot use the signing key: it is not of ed25519');
  const publicKey = rawOf(createPublicKey(key)).toString('base64');
  return (digest) => ({
    kind: 'ed25519',
    publicKey,
    value: sign(null, signed(digest), key).toString('base64'),
  });
}

/** Which of `trusted` has signed, if any. */
export function signerIn(seal: Seal, trusted: readonly KeyObject[]): KeyObject | undefined {
  const { signature, sha256 } = seal;
  if (signature === undefined) return undefined;
  const value = Buffer.from(signature.value, 'base64');
  return trusted.find((key) => verify(null, signed(Buffer.from(sha256, 'hex')), key, value));
}

/** Whether it is a signature of the key that it names: who that is, nobody has said. */
export function isSignedBySelf(seal: Seal): boolean {
  if (seal.signature === undefined) return false;
  try {
    return signerIn(seal, [parsePublicKey(seal.signature.publicKey)]) !== undefined;
  } catch {
    return false;
  }
}

function signed(digest: Uint8Array): Buffer {
  return Buffer.concat([CONTEXT, digest]);
}

function fromRaw(raw: Buffer): KeyObject {
  if (raw.length !== RAW_BYTES) throw new RangeError('it is not 32 bytes long');
  return createPublicKey({ key: Buffer.concat([PUBLIC_DER, raw]), format: 'der', type: 'spki' });
}

function rawOf(key: KeyObject): Buffer {
  return key.export({ format: 'der', type: 'spki' }).subarray(-RAW_BYTES);
}
