// An archive as a value: where it is, and what is needed and demanded to read it.

import type { KeyObject } from 'node:crypto';
import type { Readable } from 'node:stream';
import { parseIdentity } from './age/keys.js';
import type { Addition } from './create/profile-members.js';
import type { ProfileName } from './profiles.js';
import { parsePublicKey } from './signature.js';
import type { Volume } from './tree/trees.js';

export interface ReadOptions {
  /** age identities ("AGE-SECRET-KEY-1..."), each tried. */
  readonly identities?: readonly string[];
  /** Of an archive that was encrypted with one. */
  readonly passphrase?: string;
  /** Refuse it (ARCHIVE_UNTRUSTED) unless one of these ed25519 public keys (PEM, or base64 of 32 bytes) has signed all of it. */
  readonly requireSignature?: readonly string[];
  /** Refuse it (ARCHIVE_UNTRUSTED) unless it is encrypted. */
  readonly requireEncryption?: boolean;
  /**
   * Compare the content of every member with the digest that the index has of it. Default: true. Of a dump: write those digests; by default only
   * when it is signed, because pages are absorbed for it.
   */
  readonly digests?: boolean;
}

export const CODECS = ['zstd', 'lz4', 'gzip'] as const;
export type Codec = (typeof CODECS)[number];

/** `none`: an uncompressed tar. */
export type Compress = Codec | 'none';

/** How it is written; nothing for who reads it. */
export interface WriteOptions {
  /** Default: from the name, of which `.tar`, `.tar.zst`, `.tar.lz4` and `.tar.gz` are known; for an fd, `none`. */
  readonly compress?: Compress;
  /** Default: the one of the codec's own program (zstd 3, lz4 1, gzip 6). */
  readonly level?: number;
  /** Compressing threads. Default: one for each processor. */
  readonly threads?: number;
  /** Whether a file of that name may be replaced. Default: it is refused (IMAGES_EXIST). */
  readonly replace?: boolean;
  /** Default: neutral. */
  readonly profile?: ProfileName;
  /** Members beside the images: what a profile needs, logs. */
  readonly members?: readonly Addition[];
  /** What the container has changed in its root, as rootfs-diff.tar and deleted.files: the mount point of an overlay, or its options. */
  readonly rootfs?: string;
  /** Folders that are mounted into the container, as volumes/NAME.tar. */
  readonly volumes?: readonly Volume[];
  /** The folder that is mounted at /dev/shm, as devshm-checkpoint.tar. */
  readonly shm?: string;
  /** Encrypt for these age recipients ("age1..."), or else with `passphrase`. Pages are absorbed for it. */
  readonly recipients?: readonly string[];
  /** Sign with this ed25519 private key, in PEM: with digests. */
  readonly signingKey?: string;
}

export interface ArchiveOptions extends ReadOptions, WriteOptions {}

/** A file; what is open already, such as 0 for standard input; or a Node stream. The last two are read once. */
export type ArchiveOrigin =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'fd'; readonly fd: number }
  | { readonly kind: 'stream'; readonly stream: Readable };

export interface Archive {
  readonly kind: 'archive';
  /** A file, or a stream that is read once. */
  readonly from: ArchiveOrigin;
  /** What messages call it. */
  readonly name: string;
  readonly identities: readonly KeyObject[];
  readonly passphrase: string | undefined;
  readonly signers: readonly KeyObject[];
  readonly encryption: boolean;
  readonly digests: boolean;
  readonly writing: Writing;
}

/** What was given of it. */
export interface Writing extends WriteOptions {
  readonly digests?: boolean;
}

const WRITING = [
  'compress',
  'level',
  'threads',
  'replace',
  'profile',
  'members',
  'rootfs',
  'volumes',
  'shm',
  'recipients',
  'signingKey',
  'digests',
] as const satisfies ReadonlyArray<keyof Writing>;

const KEYS: ReadonlySet<string> = new Set([
  'identities',
  'passphrase',
  'requireSignature',
  'requireEncryption',
  ...WRITING,
] satisfies ReadonlyArray<keyof ArchiveOptions>);

/**
 * A checkpoint in one tar file, to be read (of any profile, compressed or not) or written: a path, an fd that stays the caller's, or, only to
 * be read, a Node stream. Throws TypeError or RangeError for wrong options.
 */
export function archive(from: string | Readable | { readonly fd: number }, options: ArchiveOptions = {}): Archive {
  if (from === '') throw new TypeError('Cannot read an archive: its path is empty');
  const unknown = Object.keys(options).find((key) => !KEYS.has(key));
  if (unknown !== undefined) throw new TypeError(`Cannot read an archive: there is no option "${unknown}"`);
  const { identities = [], passphrase, requireSignature = [], requireEncryption = false, digests = true } = options;
  if (requireSignature.length > 0 && !digests)
    throw new RangeError('Cannot demand a signature without looking at the digests: it signs those');
  return {
    kind: 'archive',
    from: originOf(from),
    name: typeof from === 'string' ? from : isStream(from) ? 'stream' : `fd ${from.fd}`,
    identities: identities.map(parseIdentity),
    passphrase,
    signers: requireSignature.map(parsePublicKey),
    encryption: requireEncryption,
    digests,
    writing: writingOf(options),
  };
}

function writingOf(options: ArchiveOptions): Writing {
  return Object.fromEntries(WRITING.filter((key) => options[key] !== undefined).map((key) => [key, options[key]]));
}

function originOf(from: string | Readable | { readonly fd: number }): ArchiveOrigin {
  if (typeof from === 'string') return { kind: 'file', path: from };
  return isStream(from) ? { kind: 'stream', stream: from } : { kind: 'fd', fd: from.fd };
}

// A stream over a file has an fd, too.
function isStream(from: Readable | { readonly fd: number }): from is Readable {
  return 'pipe' in from;
}
