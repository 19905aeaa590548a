// What a file is, by its first bytes: names lie (Podman's "x.tar.gz" is zstd unless told otherwise).

import { BLOCK_BYTES } from '../tar/head.js';

export type Layer =
  | { readonly kind: 'age' }
  | { readonly kind: 'zstd' | 'lz4' | 'gzip' }
  | { readonly kind: 'tar' }
  /** Known, and not read: `what` completes "it is ...". */
  | { readonly kind: 'other'; readonly what: string }
  | { readonly kind: 'unknown' };

const MAGICS: ReadonlyArray<readonly [layer: Layer, magic: readonly number[] | string]> = [
  [{ kind: 'age' }, 'age-encryption.org/'],
  [{ kind: 'zstd' }, [0x28, 0xb5, 0x2f, 0xfd]],
  [{ kind: 'lz4' }, [0x04, 0x22, 0x4d, 0x18]],
  [{ kind: 'gzip' }, [0x1f, 0x8b, 0x08]],
  [{ kind: 'other', what: 'compressed with bzip2' }, 'BZh'],
  [{ kind: 'other', what: 'compressed with xz' }, [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
  [{ kind: 'other', what: 'age in its text form (armor)' }, '-----BEGIN AGE ENCRYPTED FILE-----'],
];

// A frame to be skipped, which may come first: 0x184D2A50 to 0x184D2A5F, little-endian. Both formats have it; zstd reads only its own.
const SKIPPABLE = [0x2a, 0x4d, 0x18];
const CHECKSUM_AT = 148;
const CHECKSUM_BYTES = 8;

export function detect(first: Uint8Array): Layer {
  for (const [layer, magic] of MAGICS) if (startsWith(first, magic)) return layer;
  if (((first[0] ?? 0) & 0xf0) === 0x50 && SKIPPABLE.every((byte, i) => first[i + 1] === byte)) return { kind: 'zstd' };
  return isTarHeader(first) ? { kind: 'tar' } : { kind: 'unknown' };
}

function startsWith(bytes: Uint8Array, magic: readonly number[] | string): boolean {
  const wanted = typeof magic === 'string' ? Buffer.from(magic) : magic;
  return [...wanted].every((byte, i) => bytes[i] === byte);
}

/** One whose checksum is right, or the zeros that an empty archive is. */
function isTarHeader(block: Uint8Array): boolean {
  if (block.length < BLOCK_BYTES) return false;
  if (block.every((byte) => byte === 0)) return true;
  const said = Number.parseInt(
    Buffer.from(block.subarray(CHECKSUM_AT, CHECKSUM_AT + CHECKSUM_BYTES)).toString('latin1'),
    8,
  );
  const blanked = block.map((byte, i) => (i >= CHECKSUM_AT && i < CHECKSUM_AT + CHECKSUM_BYTES ? 0x20 : byte));
  return blanked.reduce((sum, byte) => sum + byte, 0) === said;
}
