// A NOTIFY packet as a typed event. Names are those of criu/action-scripts.c.

import type { Message } from '../addon/sockets.js';
import { CheckpointError } from '../errors/checkpoint-error.js';
import type { CriuRequest, CriuResponse } from '../schema/rpc.js';
import type { Notification, PlainScript, Verdict } from './session.js';

const PLAIN: ReadonlySet<string> = new Set<PlainScript>([
  'pre-stream',
  'pre-dump',
  'post-dump',
  'pre-restore',
  'network-lock',
  'network-unlock',
  'post-setup-namespaces',
  'pre-resume',
  'post-resume',
  'status-ready',
]);

function isPlain(script: string): script is PlainScript {
  return PLAIN.has(script);
}

/**
 * Throws PROTOCOL for a packet without a script, or without the pid or fd that its script must bring. The fds of the message stay
 * the caller's: an orphan-pts-master refers to the only one.
 */
export function notificationOf(response: CriuResponse, fds: Message['fds']): Notification {
  const { script, pid } = response.notify ?? {};
  if (script === undefined) throw violation('a notification without a name');
  if (isPlain(script)) return { kind: script };
  switch (script) {
    case 'setup-namespaces':
    case 'post-restore':
      if (pid === undefined) throw violation(`${script} without a pid`);
      return { kind: script, pid };
    case 'query-ext-files':
      return { kind: script };
    case 'orphan-pts-master': {
      const [fd, ...more] = fds;
      if (fd === undefined || more.length > 0) throw violation(`orphan-pts-master with ${fds.length} fds`);
      return { kind: script, fd };
    }
    default:
      return { kind: 'unknown', script, ...(pid === undefined ? {} : { pid }) };
  }
}

/** The name under which a refusal is reported. */
export function scriptOf(notification: Notification): string {
  return notification.kind === 'unknown' ? notification.script : notification.kind;
}

/** The packet that lets CRIU go on, or not. Of its opts CRIU reads `external` only, and that only for query-ext-files. */
export function replyTo(verdict: Verdict): CriuRequest {
  if (verdict.kind === 'refuse') return { type: 'NOTIFY', notify_success: false };
  const { external } = verdict;
  return {
    type: 'NOTIFY',
    notify_success: true,
    ...(external === undefined ? {} : { opts: { images_dir_fd: -1, external } }),
  };
}

function violation(received: string): CheckpointError<'PROTOCOL'> {
  return new CheckpointError('PROTOCOL', `Cannot go on with CRIU: it sent ${received}`, { received });
}
