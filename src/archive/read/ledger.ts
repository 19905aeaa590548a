// What a reader has seen of an archive, compared in the end with what its index promises and what the caller demands.

import { CheckpointError } from '../../errors/checkpoint-error.js';
import type { Archive } from '../archive.js';
import { corrupt } from '../errors.js';
import { type FrazilIndex, INDEX_NAME, type IndexedMember } from '../frazil-index.js';
import { isSignedBySelf, signerIn } from '../signature.js';

export interface SeenMember {
  readonly name: string;
  readonly kind: 'file' | 'directory' | 'link';
  /** Of its content, in the uncompressed stream. */
  readonly at: number;
  readonly bytes: number;
  /** In hex, when it was looked at. */
  readonly sha256?: string;
  /** Where a link leads to. */
  readonly target?: string;
  readonly mtime: Date;
}

export type SignedBy =
  /** One of the keys that the caller trusts. */
  | { readonly kind: 'trusted'; readonly publicKey: string }
  /** Whoever has this key: nobody has said who that is. */
  | { readonly kind: 'unknown'; readonly publicKey: string };

/**
 * Throws ARCHIVE_CORRUPT when a member is not as the index says. With `digests` of its name also when the index has a digest of what was not looked at:
 * then the index does not stand where readers look for it first, and somebody may want it to be overlooked.
 */
export function compare(
  seen: readonly SeenMember[],
  index: FrazilIndex,
  { archive, digests }: { readonly archive: string; readonly digests: (name: string) => boolean },
): void {
  const promised = new Map(index.members.map((member) => [member.name, member]));
  for (const member of seen) {
    if (member.kind === 'directory' || member.name === INDEX_NAME) continue;
    const line = promised.get(member.name);
    if (line === undefined) throw corrupt(archive, 'the index does not know it', member.name);
    compareOne(member, line, archive);
    if (digests(member.name) && line.sha256 !== undefined && member.sha256 === undefined && member.kind === 'file')
      throw corrupt(archive, 'the index is not where it should be, so its digest was not looked at', member.name);
    promised.delete(member.name);
  }
  const [missing] = promised.keys();
  if (missing !== undefined) throw corrupt(archive, 'the index has it, the archive does not', missing);
}

function compareOne(member: SeenMember, line: IndexedMember, archive: string): void {
  if (member.at !== line.at || member.bytes !== line.bytes || member.target !== line.link)
    throw corrupt(archive, 'it does not lie where the index says', member.name);
  if (line.sha256 === undefined || member.sha256 === undefined || line.sha256 === member.sha256) return;
  throw corrupt(archive, 'its content does not have the digest that the index says', member.name);
}

/**
 * Who has signed the index, if anybody. Throws ARCHIVE_UNTRUSTED when the caller demands somebody else, and when a member has no digest,
 * so that the signature says nothing about it.
 */
export function signedBy(index: FrazilIndex | undefined, { name, signers }: Archive): SignedBy | undefined {
  const { seal } = index ?? {};
  const trusted = seal === undefined ? undefined : signerIn(seal, signers);
  const publicKey = seal?.signature?.publicKey ?? '';
  if (signers.length > 0) {
    if (seal?.signature === undefined) throw untrusted(name, 'it is not signed');
    if (trusted === undefined) throw untrusted(name, `none of the trusted keys has signed it; it names "${publicKey}"`);
    const bare = index?.members.find((member) => member.sha256 === undefined && member.link === undefined);
    if (bare !== undefined) throw untrusted(name, `its member "${bare.name}" has no digest that was signed`);
  }
  if (trusted !== undefined) return { kind: 'trusted', publicKey };
  if (seal?.signature === undefined) return undefined;
  if (!isSignedBySelf(seal)) throw corrupt(name, 'its signature is not one of the key that it names', INDEX_NAME);
  return { kind: 'unknown', publicKey };
}

function untrusted(archive: string, why: string): CheckpointError<'ARCHIVE_UNTRUSTED'> {
  const message = `Cannot use the archive "${archive}": a signature was demanded, and ${why}`;
  return new CheckpointError('ARCHIVE_UNTRUSTED', message, { archive, demanded: 'signature' });
}
