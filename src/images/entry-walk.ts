// The layout that every image file shares: entries, each with its length in front, one after the other. Everybody who walks over
// an image does it with this; what to do with one that ends early is theirs (a dead CRIU's leftovers are read as far as they go, a
// checkpoint that is restored must be whole).

export const LENGTH_BYTES = 4;

// The longest payloads are an mm_entry with all 65530 mappings and a cgroup tree, some MiB. What claims more is not an entry, and
// a stream must not be held in memory on its word.
const MAX_PAYLOAD_BYTES = 256 * 2 ** 20;

export type Step =
  | { readonly kind: 'entry'; readonly payload: Buffer; readonly next: number }
  | { readonly kind: 'end' }
  /** The entry at this place needs so many bytes from there, and they are not all here. */
  | { readonly kind: 'cut'; readonly needed: number }
  | { readonly kind: 'damaged' };

/** The entry at `at`. Its payload is a view. */
export function entryAt(bytes: Buffer, at: number): Step {
  if (at === bytes.length) return { kind: 'end' };
  if (at + LENGTH_BYTES > bytes.length) return { kind: 'cut', needed: LENGTH_BYTES };
  const length = bytes.readUInt32LE(at);
  if (length > MAX_PAYLOAD_BYTES) return { kind: 'damaged' };
  const from = at + LENGTH_BYTES;
  const next = from + length;
  if (next > bytes.length) return { kind: 'cut', needed: LENGTH_BYTES + length };
  return { kind: 'entry', payload: bytes.subarray(from, next), next };
}

/** The payloads that are whole, from `at` on, and where they end: at the end of `bytes` unless something is wrong there. */
export function walkEntries(bytes: Buffer, at: number): { readonly payloads: readonly Buffer[]; readonly end: number } {
  const payloads: Buffer[] = [];
  let end = at;
  for (let step = entryAt(bytes, end); step.kind === 'entry'; step = entryAt(bytes, end)) {
    payloads.push(step.payload);
    end = step.next;
  }
  return { payloads, end };
}

/** The same bytes as a Buffer, without a copy. */
export function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
