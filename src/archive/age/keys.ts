// Keys of age as text, and what is done with them: X25519 identities and recipients.

import {
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  type KeyObject,
} from 'node:crypto';
import { fromBech32, toBech32 } from './bech32.js';

const KEY_BYTES = 32;
const RECIPIENT = 'age';
const IDENTITY = 'age-secret-key-';
// What stands before 32 raw bytes in DER.
const PUBLIC_DER = Buffer.from('302a300506032b656e032100', 'hex');
const PRIVATE_DER = Buffer.from('302e020100300506032b656e04220420', 'hex');
const WRAP_INFO = 'age-encryption.org/v1/X25519';

/** "age1...": whoever has it can encrypt. Throws RangeError. */
export function parseRecipient(text: string): KeyObject {
  return explained('recipient', text, () => publicKey(fromBech32(text.trim(), RECIPIENT, KEY_BYTES)));
}

/** "AGE-SECRET-KEY-1...". Throws RangeError, without saying the key. */
export function parseIdentity(text: string): KeyObject {
  return explained('identity', undefined, () => {
    const raw = fromBech32(text.trim(), IDENTITY, KEY_BYTES);
    return createPrivateKey({ key: Buffer.concat([PRIVATE_DER, raw]), format: 'der', type: 'pkcs8' });
  });
}

/** The identities in a file as `age-keygen` writes it: one a line, comments begin with "#". */
export function parseIdentities(text: string): readonly KeyObject[] {
  const lines = text.split('\n').map((line) => line.trim());
  return lines.filter((line) => line !== '' && !line.startsWith('#')).map(parseIdentity);
}

/** A new pair, as text. */
export function generateIdentity(): { readonly identity: string; readonly recipient: string } {
  const { publicKey: recipient, privateKey } = generateKeyPairSync('x25519');
  const raw = privateKey.export({ format: 'der', type: 'pkcs8' }).subarray(-KEY_BYTES);
  return { identity: toBech32(IDENTITY, raw).toUpperCase(), recipient: toBech32(RECIPIENT, rawPublic(recipient)) };
}

/** The key that wraps a file's key between the two: `share` is the ephemeral public key, `recipient` whose archive it is. */
export function wrapKey(ours: KeyObject, theirs: KeyObject, share: Buffer, recipient: Buffer): Buffer {
  const secret = diffieHellman({ privateKey: ours, publicKey: theirs });
  return Buffer.from(hkdfSync('sha256', secret, Buffer.concat([share, recipient]), WRAP_INFO, KEY_BYTES));
}

export function publicKey(raw: Buffer): KeyObject {
  return createPublicKey({ key: Buffer.concat([PUBLIC_DER, raw]), format: 'der', type: 'spki' });
}

export function rawPublic(key: KeyObject): Buffer {
  const shared = key.type === 'private' ? createPublicKey(key) : key;
  return shared.export({ format: 'der', type: 'spki' }).subarray(-KEY_BYTES);
}

function explained<T>(what: string, text: string | undefined, parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    const shown = text === undefined ? '' : ` "${text.slice(0, 80)}"`;
    const why = cause instanceof RangeError ? cause.message : 'it is no key';
    throw new RangeError(`Cannot use the age ${what}${shown}: ${why}`, { cause });
  }
}
