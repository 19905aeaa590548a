// An archive as a value: where it is, and what is needed and demanded to read it.

import type { KeyObject } from 'node:crypto';
import type { Readable } from 'node:stream';
import { parseIdentity } from './age/keys.js';
import { parsePublicKey } from './signature.js';

export interface ReadOptions {
  /** age identities ("AGE-SECRET-KEY-1..."), each tried. */
  readonly identities?: readonly string[];
  /** Of an archive that was encrypted with one. */
  readonly passphrase?: string;
  /** Refuse it (ARCHIVE_UNTRUSTED) unless one of these ed25519 public keys (PEM, or base64 of 32 bytes) has signed all of it. */
  readonly requireSignature?: readonly string[];
  /** Refuse it (ARCHIVE_UNTRUSTED) unless it is encrypted. */
  readonly requireEncryption?: boolean;
  /** Compare the content of every member with the digest that the index has of it. Default: true. */
  readonly digests?: boolean;
}

export interface Archive {
  readonly kind: 'archive';
  /** A file, or a stream that is read once. */
  readonly from:
    | { readonly kind: 'file'; readonly path: string }
    | { readonly kind: 'stream'; readonly stream: Readable };
  /** What messages call it. */
  readonly name: string;
  readonly identities: readonly KeyObject[];
  readonly passphrase: string | undefined;
  readonly signers: readonly KeyObject[];
  readonly encryption: boolean;
  readonly digests: boolean;
}

const KEYS: ReadonlySet<string> = new Set([
  'identities',
  'passphrase',
  'requireSignature',
  'requireEncryption',
  'digests',
] satisfies ReadonlyArray<keyof ReadOptions>);

/** A checkpoint in one tar file, of any profile, compressed or not, to be read. Throws TypeError or RangeError for wrong options. */
export function archive(from: string | Readable, options: ReadOptions = {}): Archive {
  if (from === '') throw new TypeError('Cannot read the archive "": its path is empty');
  const unknown = Object.keys(options).find((key) => !KEYS.has(key));
  if (unknown !== undefined) throw new TypeError(`Cannot read an archive: there is no option "${unknown}"`);
  const { identities = [], passphrase, requireSignature = [], requireEncryption = false, digests = true } = options;
  if (requireSignature.length > 0 && !digests)
    throw new RangeError('Cannot demand a signature without looking at the digests: it signs those');
  return {
    kind: 'archive',
    from: typeof from === 'string' ? { kind: 'file', path: from } : { kind: 'stream', stream: from },
    name: typeof from === 'string' ? from : 'stream',
    identities: identities.map(parseIdentity),
    passphrase,
    signers: requireSignature.map(parsePublicKey),
    encryption: requireEncryption,
    digests,
  };
}
