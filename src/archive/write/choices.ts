// What an archive that a dump is written to shall be, checked before anything happens.

import type { Compression } from '../../addon/archive-writer.js';
import type { AgeLock } from '../age/header.js';
import { parseRecipient } from '../age/keys.js';
import type { Archive } from '../archive.js';
import { type Addition, assertComplete, assertTrees } from '../create/profile-members.js';
import type { Signer } from '../frazil-index.js';
import type { ProfileName } from '../profiles.js';
import { signerOf } from '../signature.js';
import type { TreesRequest } from '../tree/trees.js';
import { compressionFor } from './format.js';

export interface WriteChoices {
  readonly profile: ProfileName;
  readonly additions: readonly Addition[];
  readonly trees: Pick<TreesRequest, 'rootfs' | 'volumes' | 'shm'>;
  readonly compression: Compression | undefined;
  readonly lock: AgeLock | undefined;
  readonly signer: Signer | undefined;
  readonly digests: boolean;
}

/** Throws RangeError and TypeError. */
export function writeChoices(archive: Archive): WriteChoices {
  const { profile = 'neutral', members = [], rootfs, volumes = [], shm, signingKey, digests } = archive.writing;
  const trees = { rootfs, volumes, shm };
  assertComplete(profile, members, assertTrees(trees));
  if (signingKey !== undefined && digests === false)
    throw new RangeError('Cannot sign an archive without digests: those are what is signed');
  return {
    profile,
    additions: members,
    trees,
    compression: compressionFor(archive),
    lock: lockOf(archive),
    signer: signingKey === undefined ? undefined : signerOf(signingKey),
    digests: digests ?? signingKey !== undefined,
  };
}

function lockOf({ writing: { recipients = [] }, passphrase }: Archive): AgeLock | undefined {
  if (recipients.length > 0 && passphrase !== undefined)
    throw new RangeError('Cannot encrypt for recipients and with a passphrase: one of the two');
  if (passphrase === '') throw new RangeError('Cannot encrypt with an empty passphrase');
  if (passphrase !== undefined) return { kind: 'passphrase', passphrase };
  return recipients.length === 0 ? undefined : { kind: 'recipients', recipients: recipients.map(parseRecipient) };
}
