// One call of libcriu and its notifications: what its C callback asks arrives on a SEQPACKET channel, and waits there for one byte.

import type { Fd } from '../addon/fd.js';
import { callLibcriu, type LibcriuCall, type LibcriuOutcome } from '../addon/libcriu.js';
import { type Message, receive, send, seqpacketPair } from '../addon/sockets.js';
import { CheckpointError } from '../errors/checkpoint-error.js';
import { notificationOf, scriptOf } from './notification.js';
import type { ExchangeOptions, Notification, RequestKind } from './session.js';
import type { SwrkChild } from './swrk-child.js';
import { type Asked, type Asking, askCaller } from './verdict.js';

export interface Talk {
  readonly outcome: LibcriuOutcome;
  readonly refusedAt?: string;
  readonly thrown?: { readonly error: unknown };
}

/** Runs the call and answers its notifications until it returns. */
export async function conversation(call: LibcriuCall, child: SwrkChild, options: ExchangeOptions): Promise<Talk> {
  const [ours, theirs] = seqpacketPair();
  try {
    await using job = callLibcriu(call, { service: child.socket, channel: theirs });
    // From here on the job has the only copies: its end is our end-of-file, and CRIU's.
    theirs.close();
    child.socket.close();
    const heard = await listen(ours, { notify: options.notify, signal: options.signal, gone: child.exited });
    return { ...heard, outcome: await job.done };
  } finally {
    theirs.close();
    ours.close();
  }
}

const PROCEED = 1;
const REFUSE = 0;
const BYTES_OF_PID = 4;
/** CRIU only logs a refusal here and goes on; libcriu would hang up and lose the answer. */
const NOT_REFUSABLE = new Set(['pre-resume', 'post-resume']);

type Heard = Omit<Talk, 'outcome'>;

/** Until the call has returned, which closes the other end. */
async function listen(channel: Fd, asking: Asking): Promise<Heard> {
  let heard: Heard = {};
  for (;;) {
    const message = await receive(channel).done;
    if (message === undefined) return heard;
    const notification = read(message);
    const asked = await askCaller(notification, asking);
    heard = { ...refusal(notification, asked), ...heard };
    const refuses = asked.verdict.kind === 'refuse' && !NOT_REFUSABLE.has(scriptOf(notification));
    send(channel, Uint8Array.of(refuses || heard.thrown !== undefined ? REFUSE : PROCEED));
  }
}

function read({ bytes, fds }: Message): Notification {
  const text = Buffer.from(bytes);
  const pid = text.readInt32LE(0);
  const notify = { script: text.toString('utf8', BYTES_OF_PID), ...(pid > 0 ? { pid } : {}) };
  const notification = notificationOf({ type: 'NOTIFY', success: true, notify }, fds);
  if (notification.kind !== 'orphan-pts-master') for (const fd of fds) fd.close();
  return notification;
}

function refusal(notification: Notification, { verdict, thrown, gone }: Asked): Heard {
  if (gone === true) return {};
  if (thrown !== undefined) return { thrown, refusedAt: scriptOf(notification) };
  if (verdict.kind === 'refuse') return { refusedAt: scriptOf(notification) };
  if ((verdict.external ?? []).length === 0) return {};
  return { thrown: { error: unavailable('DUMP', 'libcriu cannot answer query-ext-files with resources') } };
}

/** FEATURE_MISSING: what only the swrk session can do. */
export function unavailable(kind: RequestKind, reason: string): CheckpointError<'FEATURE_MISSING'> {
  const message = `Cannot send ${kind} through libcriu: ${reason}. The swrk session can`;
  return new CheckpointError('FEATURE_MISSING', message, { feature: `libcriu ${kind}` });
}
