// The content of a member that is an archive itself: heads and files go into a pipe, and out of it into the archive, so that its digest is
// made as that of any other member. Only the digest needs the bytes: without it the kernel moves them.

import type { Fd } from '../../addon/fd.js';
import { pipe } from '../../addon/files.js';
import { writeMembers } from '../../addon/members.js';
import { CheckpointError } from '../../errors/checkpoint-error.js';
import { END_BYTES } from '../tar/head.js';
import { headOfEntry, type TreeEntry } from '../tree/entry.js';
import type { TreeMember } from '../tree/trees.js';
import type { TarSink } from './sink.js';

const PIPE_BYTES = 1 << 20;
/** How many files a job is given: it holds all their heads. */
const BATCH = 256;

/** Throws IO, also when a file has become shorter since its folder was read. */
export async function writeTree(
  member: TreeMember,
  digests: boolean,
  sink: Pick<TarSink, 'relay'>,
): Promise<Uint8Array | undefined> {
  const { read, write } = pipe({ capacityBytes: PIPE_BYTES });
  using from = read;
  using to = write;
  const feeding = feed(member, to).catch((reason: unknown) => ({ reason }));
  const relayed = sink.relay(from, member.bytes, digests).catch((reason: unknown) => ({ reason }));
  const outcome = await relayed;
  // Whoever feeds hears that nobody reads any more.
  from.close();
  const fed = await feeding;
  if (fed !== undefined && !(isFailure(outcome) && isBrokenPipe(fed.reason))) throw changed(member, fed.reason);
  if (isFailure(outcome)) throw outcome.reason;
  return outcome;
}

interface Failure {
  readonly reason: unknown;
}

function isFailure(outcome: Uint8Array | Failure | undefined): outcome is Failure {
  return outcome !== undefined && 'reason' in outcome;
}

async function feed({ folder, entries }: TreeMember, to: Fd): Promise<undefined> {
  try {
    for (let at = 0; at < entries.length; at += BATCH)
      await writeMembers({ folder, to, additions: entries.slice(at, at + BATCH).map(additionOf) }).done;
    await writeMembers({ folder, to, additions: [{ head: Buffer.alloc(END_BYTES) }] }).done;
  } finally {
    to.close();
  }
}

/** For the writer of members: the head, and where the content lies. */
export function additionOf(entry: TreeEntry): {
  readonly head: Buffer;
  readonly name?: string;
  readonly bytes?: number;
} {
  const head = headOfEntry(entry);
  return entry.kind === 'file' && entry.path !== '' ? { head, name: entry.path, bytes: entry.bytes } : { head };
}

function isBrokenPipe(reason: unknown): boolean {
  return CheckpointError.is(reason, 'IO') && reason.detail.errno === 'EPIPE';
}

const CHANGED: ReadonlySet<string | undefined> = new Set(['EIO', 'ENOENT', 'EINVAL', 'ELOOP', 'ENOTDIR']);

function changed({ name, path }: TreeMember, cause: unknown): unknown {
  if (!CheckpointError.is(cause, 'IO') || !CHANGED.has(cause.detail.errno)) return cause;
  const message = `Cannot archive "${path}" as ${name}: a file in it has changed while it was read. Stop who writes there`;
  return new CheckpointError('IO', message, { ...cause.detail, path }, { cause });
}
