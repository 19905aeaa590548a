// createArchive() as callers see it, checked at once; create.ts does it.

import { tmpdir } from 'node:os';
import { resolve } from 'node:path';
import { PassThrough, pipeline, type Readable } from 'node:stream';
import type { Compression } from '../../addon/archive-writer.js';
import { type Operation, operation } from '../../criu/operation.js';
import type { AgeLock } from '../age/header.js';
import { parseRecipient } from '../age/keys.js';
import { archive, type Compress } from '../archive.js';
import type { Signer } from '../frazil-index.js';
import type { ProfileName } from '../profiles.js';
import { signerOf } from '../signature.js';
import type { TreesRequest, Volume } from '../tree/trees.js';
import { compressionFor } from '../write/format.js';
import type { CreateProgress, CreateReport } from './create.js';
import { type Addition, assertComplete, assertTrees } from './profile-members.js';

export interface CreateOptions {
  /** Default: neutral. */
  readonly profile?: ProfileName;
  /** Default: from the name (`.tar`, `.tar.zst`, `.tar.lz4`, `.tar.gz`, each with `.age` behind it or not); for an fd, `none`. */
  readonly compress?: Compress;
  /** Default: the one of the codec's own program. */
  readonly level?: number;
  /** Compressing threads. Default: one for each processor. */
  readonly threads?: number;
  /** Members beside the images: what a profile needs, logs, archives of volumes. */
  readonly members?: readonly Addition[];
  /**
   * What the container has changed in its root filesystem, as rootfs-diff.tar and deleted.files: the mount point of an overlay, or its options
   * ("lowerdir=A:B,upperdir=C").
   */
  readonly rootfs?: string;
  /** Folders that were mounted into the container, as volumes/NAME.tar. */
  readonly volumes?: readonly Volume[];
  /** The folder that was mounted at /dev/shm, as devshm-checkpoint.tar. */
  readonly shm?: string;
  /** Where CRIU has left dump.log and stats-dump. Default: the images directory. */
  readonly workDir?: string;
  /** Encrypt for these age recipients ("age1..."). */
  readonly recipients?: readonly string[];
  /** Encrypt with a passphrase; not together with recipients. */
  readonly passphrase?: string;
  /** Sign with this ed25519 private key, in PEM. */
  readonly signingKey?: string;
  /** Write the digest of each member into the index. Default: true. Without, the kernel can copy contents by itself. */
  readonly digests?: boolean;
  /** Write the index. Default: true. */
  readonly index?: boolean;
  /** Whether a file of that name may be replaced. Default: it is refused (IMAGES_EXIST). */
  readonly replace?: boolean;
  /** The archive is on the disk when it counts as done. */
  readonly sync?: boolean;
}

export interface CreateCall extends CreateOptions {
  /** A path; or an fd that stays the caller's and gets the archive from its first byte to its last. */
  readonly to: string | { readonly fd: number };
  readonly signal?: AbortSignal;
}

/**
 * An archive of an images directory, with its parents. Throws TypeError and RangeError at once. Rejects with IO, IMAGES_CORRUPT, IMAGES_EXIST,
 * FEATURE_MISSING or ABORTED; then there is no file under that name, and one that was there before is untouched.
 */
export function createArchive(imagesDir: string, call: CreateCall): Operation<CreateProgress, CreateReport> {
  const { to, signal, ...options } = call;
  if (imagesDir === '' || to === '') throw new TypeError('Cannot make an archive: a path is empty');
  const chosen = choicesOf(to, options);
  return operation(signal, async (work) => {
    const [{ runCreate }, { openOutput, streamOutput }, { membersFor }, { containerTrees }] = await Promise.all([
      import('./create.js'),
      import('../write/output.js'),
      import('./profile-members.js'),
      import('../tree/container-trees.js'),
    ]);
    const now = new Date();
    const { profile, additions, replace, sync } = chosen;
    const path = resolve(imagesDir);
    const workDir = resolve(options.workDir ?? path);
    await using trees = await containerTrees(chosen);
    const members = [...(await membersFor({ profile, imagesDir: path, workDir, additions, now })), ...trees.members];
    await using output =
      typeof to === 'string'
        ? await openOutput(to, { replace, sync, tmpDir: tmpdir() })
        : await streamOutput(to.fd, `fd ${to.fd}`, tmpdir());
    return await runCreate({ ...chosen, output, members, now }, work);
  });
}

/**
 * The same as a stream, for an upload or an answer: as slow as its reader. Destroying it ends the writing; a failure destroys it with the
 * reason, which `done` has, too. Throws as createArchive() does.
 */
export function archiveStream(
  imagesDir: string,
  options: CreateOptions & { readonly signal?: AbortSignal } = {},
): { readonly stream: Readable; readonly done: Promise<CreateReport> } {
  if (imagesDir === '') throw new TypeError('Cannot make an archive: a path is empty');
  choicesOf({ fd: -1 }, options);
  const stream = new PassThrough();
  // Its pipe needs the addon, which an import of Frazil does not load.
  const started = import('./stream.js').then(({ throughPipe }) =>
    throughPipe((to) => createArchive(imagesDir, { ...options, to })),
  );
  started.then(
    (run) => pipeline(run.stream, stream, () => {}),
    (reason: Error) => stream.destroy(reason),
  );
  const done = started.then((run) => run.done);
  // Who only reads learns it from the stream.
  done.catch(() => {});
  return { stream, done };
}

interface Choices {
  readonly trees: Pick<TreesRequest, 'rootfs' | 'volumes' | 'shm'>;
  readonly profile: ProfileName;
  readonly additions: readonly Addition[];
  readonly compression: Compression | undefined;
  readonly lock: AgeLock | undefined;
  readonly signer: Signer | undefined;
  readonly digests: boolean;
  readonly index: boolean;
  readonly replace: boolean;
  readonly sync: boolean;
}

function choicesOf(to: CreateCall['to'], options: CreateOptions): Choices {
  const { profile = 'neutral', members = [], signingKey, index = true, digests = true } = options;
  const { compress, level, threads, replace = false, sync = false } = options;
  const writing = {
    ...(compress === undefined ? {} : { compress }),
    ...(level === undefined ? {} : { level }),
    ...(threads === undefined ? {} : { threads }),
  };
  const { rootfs, volumes = [], shm } = options;
  const names = assertTrees({ rootfs, volumes, shm });
  assertComplete(profile, members, names);
  if (signingKey !== undefined && !(index && digests))
    throw new RangeError('Cannot sign an archive without an index and digests: those are what is signed');
  return {
    trees: { rootfs, volumes, shm },
    profile,
    additions: members,
    compression: compressionFor(archive(plainName(to), { ...writing })),
    lock: lockOf(options),
    signer: signingKey === undefined ? undefined : signerOf(signingKey),
    digests,
    index,
    replace,
    sync,
  };
}

// What it is called when it is not encrypted.
function plainName(to: CreateCall['to']): CreateCall['to'] {
  return typeof to === 'string' ? to.replace(/\.age$/, '') : to;
}

function lockOf({ recipients = [], passphrase }: CreateOptions): AgeLock | undefined {
  if (recipients.length > 0 && passphrase !== undefined)
    throw new RangeError('Cannot encrypt for recipients and with a passphrase: one of the two');
  if (passphrase === '') throw new RangeError('Cannot encrypt with an empty passphrase');
  if (passphrase !== undefined) return { kind: 'passphrase', passphrase };
  return recipients.length === 0 ? undefined : { kind: 'recipients', recipients: recipients.map(parseRecipient) };
}
