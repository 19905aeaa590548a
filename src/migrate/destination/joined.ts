// The connections of one migration that is admitted: the source is told where they belong, and brings them.

import { randomBytes } from 'node:crypto';
import type { Fd } from '../../addon/fd.js';
import { pageCodecs } from '../../addon/page-streams.js';
import { CheckpointError } from '../../errors/checkpoint-error.js';
import { Held } from '../../images/held.js';
import { type LeftConnection, openLeft } from '../wire/left.js';
import type { DestinationLink, Listener } from '../wire/listen.js';
import type { Hello } from '../wire/messages.js';

export interface Joined extends AsyncDisposable {
  readonly streams: readonly Fd[];
  /** One for each stream; absent where they are not sealed. */
  readonly keys: readonly Uint8Array[] | undefined;
  /** On which pages that are left behind are asked for, when they may be. */
  readonly left: LeftConnection | undefined;
}

export interface Joining {
  readonly link: DestinationLink;
  readonly hello: Hello;
  /** The message after it, or the end. */
  readonly first: Promise<unknown>;
  readonly listener: Listener;
  /** Of a container: whether its root filesystem is here. */
  readonly rootThere: boolean;
  readonly ending: AbortSignal;
}

/** Rejects with PROTOCOL when the source ends before it has brought them, or with ABORTED. Disposing ends them. */
export async function openJoined({ link, hello, first, listener, rootThere, ending }: Joining): Promise<Joined> {
  const session = randomBytes(16).toString('hex');
  const count = hello.streams + (hello.leaves ? 1 : 0);
  const gone = goneBefore(first, hello);
  const joined = listener.streams(session, count, AbortSignal.any([ending, gone]));
  joined.catch(() => {});
  await link.channel.send({ type: 'welcome', session, codecs: pageCodecs(), rootThere });
  const streams = [...(await joined.catch((cause: unknown) => Promise.reject(gone.aborted ? gone.reason : cause)))];
  const [leftStream] = streams.splice(hello.streams);
  const held = new Held();
  held.defer(() => {
    for (const stream of streams) stream.close();
  });
  const left = leftStream && openLeft(leftStream, link.leftKeys(), 'destination');
  if (left !== undefined)
    held.defer(async () => {
      await left[Symbol.asyncDispose]();
    });
  const keys = streams.map((_, i) => link.keyOf(i)).filter((key) => key !== undefined);
  return {
    streams,
    keys: keys.length === 0 ? undefined : keys,
    left,
    [Symbol.asyncDispose]: () => held[Symbol.asyncDispose](),
  };
}

function goneBefore(first: Promise<unknown>, { pid }: Hello): AbortSignal {
  const gone = new AbortController();
  const message = `Cannot take process ${pid}: its source has ended before it brought the page streams that it announced`;
  const missing = new CheckpointError('PROTOCOL', message, { expected: 'page streams' });
  first.then(
    (got) => got === undefined && gone.abort(missing),
    (error: unknown) => gone.abort(error),
  );
  return gone.signal;
}
