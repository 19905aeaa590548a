// The iterations: look at the memory of the running tree, send what the destination does not have, measure, ask the policy.

import type { PageSender } from '../../addon/page-streams.js';
import { CheckpointError } from '../../errors/checkpoint-error.js';
import { decide, type Policy, type Verdict } from '../policy.js';
import type { SourceChannel } from '../wire/connect.js';
import type { ToSource } from '../wire/messages.js';
import { measure } from './measure.js';
import type { IterationReport, Tracking } from './options.js';
import type { Shape } from './shape.js';
import type { Throttle } from './throttle.js';

/** A destination that cannot go on has said so before; its word may still be on the way. */
const LAST_WORDS_MS = 2000;

export interface Iterating {
  /** Counts. */
  readonly sender: PageSender;
  readonly tracking: Tracking;
  /** Absent when the tree is not to be slowed down. */
  readonly throttle: Throttle | undefined;
  /** Sends level `number`, to its end. For how long the tree stood still for it, in milliseconds, if it did. */
  readonly look: (number: number) => Promise<number | undefined>;
  readonly channel: SourceChannel;
  readonly policy: Policy;
  /** What CRIU would find here now: pace.ts, shape.ts. */
  readonly probe: () => Promise<Shape & { readonly paceMs: number }>;
  readonly roundTripMs: number;
  readonly signal: AbortSignal;
  /** performance.now() of the beginning. */
  readonly begun: number;
  readonly onIteration: (iterations: readonly IterationReport[]) => void;
}

export interface Iterated {
  readonly iterations: readonly IterationReport[];
  readonly verdict: Exclude<Verdict, { kind: 'iterate' }>;
}

/** Rejects with ABORTED, with IO when the connection is lost, or with what the destination says. */
export async function iterate(run: Iterating): Promise<Iterated> {
  const iterations: IterationReport[] = [];
  let throttle = 0;
  for (;;) {
    iterations.push(await iteration({ ...run, throttled: throttle }, iterations));
    run.onIteration(iterations);
    const elapsedMs = performance.now() - run.begun;
    const verdict = decide({ iterations, elapsedMs, wireBytes: run.sender.counters().wireBytes }, run.policy);
    if (verdict.kind !== 'iterate') return { iterations, verdict };
    if (verdict.throttle > throttle) await run.throttle?.set(verdict.throttle);
    throttle = verdict.throttle;
  }
}

async function iteration(
  {
    look,
    probe,
    sender,
    tracking,
    channel,
    signal,
    roundTripMs,
    throttled,
  }: Iterating & { readonly throttled: number },
  before: readonly IterationReport[],
): Promise<IterationReport> {
  const number = before.length;
  const from = performance.now();
  const start = sender.counters();
  await channel.send({ type: 'level', number, final: undefined, lacking: false });
  const begun = performance.now();
  const probed = probe();
  probed.catch(() => {});
  const frozenMs = await look(number).catch(async (reason: unknown) => {
    throw await unsent(reason, channel, signal);
  });
  const lookMs = performance.now() - begun;
  const { fillBytesPerSecond, paceMs: there } = await acknowledged(channel, number, signal);
  const counted = {
    number,
    ms: performance.now() - from,
    lookMs,
    start,
    end: sender.counters(),
    tracking,
    throttle: throttled,
  };
  const { paceMs: here, ...shape } = await probed;
  return measure({ ...counted, ...shape, roundTripMs, fillBytesPerSecond, paceMs: { here, there }, frozenMs }, before);
}

// Of a connection that the other end has given up.
const BROKEN: readonly string[] = ['EPIPE', 'ECONNRESET'];

/** The destination may have said why it takes no more pages. */
async function unsent(reason: unknown, channel: SourceChannel, signal: AbortSignal): Promise<unknown> {
  if (signal.aborted || !CheckpointError.is(reason, 'IO')) return reason;
  const { syscall = 'send', errno = '' } = reason.detail;
  if (!BROKEN.includes(errno)) return reason;
  const soon = AbortSignal.any([signal, AbortSignal.timeout(LAST_WORDS_MS)]);
  const got = await heardOrAborted(channel, soon).catch(() => undefined);
  if (got?.message.type === 'gone') return unexpected(got);
  const message = `Cannot migrate: the pages could not be sent: ${syscall} failed with ${errno}. The tree runs on here`;
  return new CheckpointError('IO', message, reason.detail, { cause: reason });
}

type LevelDone = Extract<ToSource, { type: 'level-done' }>;

/** Waits for the word that a level has come in. */
async function acknowledged(channel: SourceChannel, number: number, signal: AbortSignal): Promise<LevelDone> {
  const got = await heardOrAborted(channel, signal);
  if (got?.message.type === 'level-done' && got.message.number === number) return got.message;
  throw unexpected(got);
}

/** Waits for the word that the destination waits for the final dump. Rejects as iterate() does. */
export async function isReady(channel: SourceChannel, signal: AbortSignal): Promise<void> {
  const got = await heardOrAborted(channel, signal);
  if (got?.message.type !== 'ready') throw unexpected(got);
}

function unexpected(got: Awaited<ReturnType<SourceChannel['receive']>>): CheckpointError<'IO'> {
  if (got?.message.type === 'gone')
    return new CheckpointError('IO', `Cannot migrate: ${got.message.message}. The tree runs on here`, {});
  const why = got === undefined ? 'the connection to the destination was lost' : `it said "${got.message.type}"`;
  return new CheckpointError('IO', `Cannot migrate: ${why}. The tree runs on here`, {
    syscall: 'recv',
    errno: 'ECONNRESET',
  });
}

async function heardOrAborted(channel: SourceChannel, signal: AbortSignal): ReturnType<SourceChannel['receive']> {
  const abort = (): void => channel.destroy();
  signal.addEventListener('abort', abort, { once: true });
  try {
    const got = await channel.receive();
    if (signal.aborted)
      throw new CheckpointError(
        'ABORTED',
        'Cannot migrate: the caller aborted it. The tree runs on here',
        {},
        { cause: signal.reason },
      );
    return got;
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
