// CRIU held at post-dump, the tree frozen: here what is still to be sent is sent, and then it is somebody else's to decide whether the tree
// is to be killed.

import { closeSync, openSync, readSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { SinkReception } from '../../addon/page-sink.js';
import type { PageSender } from '../../addon/page-streams.js';
import type { Notification, Verdict } from '../../rpc/session.js';
import { MAX_BYTES } from '../wire/channel.js';
import type { SourceChannel } from '../wire/connect.js';
import type { LeftBehind } from './left-behind.js';

const PROCEED: Verdict = { kind: 'proceed' };
const REFUSE: Verdict = { kind: 'refuse' };

export type Reception = SinkReception | { readonly error: unknown };

export interface Holding {
  /** Folder of CRIU's image files. */
  readonly images: string;
  /** How its pages came out of CRIU. */
  readonly received: Promise<Reception>;
  readonly sender: PageSender;
  /** See FinalDumpPlan. */
  readonly left?: LeftBehind;
  readonly channel: SourceChannel;
  readonly signal: AbortSignal;
  readonly also?: () => Promise<void>;
  /** See FinalDumpPlan. */
  readonly makesLinks?: boolean;
  readonly beforeFreeze?: () => void;
  readonly decide: () => Promise<'kill' | 'resume'>;
}

export interface Hold {
  readonly notify: (notification: Notification) => Promise<Verdict>;
  /** Aborts come through until the decision is asked for. */
  readonly signal: AbortSignal;
  readonly decided: boolean;
  /** What failed of ours. */
  readonly failure: unknown;
  readonly at: { frozen: number; dumped: number; sent: number };
  /** What else belonged to this moment is sent, or nobody has begun to. */
  readonly followed: () => Promise<void>;
}

/** Of one dump. */
export function holding(held: Holding): Hold {
  const gate = new AbortController();
  const pass = (): void => gate.abort(held.signal.reason);
  if (held.signal.aborted) pass();
  else held.signal.addEventListener('abort', pass, { once: true });
  const at = { frozen: 0, dumped: 0, sent: 0 };
  let decided = false;
  let failure: unknown;
  let following: Promise<void> | undefined;
  const follow = (): void => {
    following ??= held.also?.();
    following?.catch(() => {});
  };
  const atPostDump = async (): Promise<Verdict> => {
    at.dumped = performance.now();
    const reception = await held.received;
    if ('error' in reception || reception.failure !== undefined) return REFUSE;
    await held.left?.send(held.sender, gate.signal);
    await held.sender.finish({ signal: gate.signal }).done;
    await sendFiles(held);
    const early = following !== undefined;
    follow();
    await following;
    // Links for open files that have lost their name have come since.
    if (early && held.makesLinks === true) await held.also?.();
    at.sent = performance.now();
    if (gate.signal.aborted) return REFUSE;
    held.signal.removeEventListener('abort', pass);
    decided = true;
    return (await held.decide()) === 'kill' ? PROCEED : REFUSE;
  };
  return {
    signal: gate.signal,
    at,
    get decided() {
      return decided;
    },
    get failure() {
      return failure;
    },
    followed: async () => following,
    async notify({ kind }) {
      if (kind === 'pre-dump') {
        at.frozen = performance.now();
        held.beforeFreeze?.();
      }
      // All tasks stand still. CRIU says so of a tree with a network namespace of its own.
      if (kind === 'network-lock') follow();
      if (kind !== 'post-dump') return PROCEED;
      return atPostDump().catch((error: unknown) => {
        failure = error;
        return REFUSE;
      });
    },
  };
}

// They lie there when they are left behind.
const OF_PAGES = /^(pages-|pagemap-)/;

/** Everything but pages; a link to a parent is the destination's own. */
async function sendFiles({ images, channel }: Holding): Promise<void> {
  const names = (await readdir(images)).filter((name) => name !== 'parent' && !OF_PAGES.test(name));
  const buffer = Buffer.alloc(MAX_BYTES);
  for (const name of names) {
    // They lie in memory, there are a few for each task, and the tree stands still: a turn of another thread for each call would take
    // longer than all of them.
    const file = openSync(join(images, name), 'r');
    try {
      await sendFile({ file, name, buffer }, channel);
    } finally {
      closeSync(file);
    }
  }
}

interface ImageFile {
  readonly file: number;
  readonly name: string;
  readonly buffer: Buffer;
}

async function sendFile({ file, name, buffer }: ImageFile, channel: SourceChannel): Promise<void> {
  for (;;) {
    const bytesRead = readSync(file, buffer);
    // An empty file is one, too.
    await channel.send({ type: 'file', name }, buffer.subarray(0, bytesRead));
    if (bytesRead < buffer.length) return;
  }
}
