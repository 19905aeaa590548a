// The iterations by digest: read the running tree's memory, send what the destination does not have, measure, ask the policy. Nothing
// is frozen in here.

import type { PageSender, TransferCounters } from '../../addon/page-streams.js';
import { CheckpointError } from '../../errors/checkpoint-error.js';
import { decide, type Policy, predictDowntime, type Verdict } from '../policy.js';
import type { SourceChannel } from '../wire/connect.js';
import type { IterationReport } from './options.js';
import { scanTasksOf } from './tasks.js';

export interface Iterating {
  readonly pid: number;
  readonly sender: PageSender;
  readonly channel: SourceChannel;
  readonly policy: Policy;
  readonly signal: AbortSignal;
  /** performance.now() of the beginning. */
  readonly begun: number;
  readonly onIteration: (iterations: readonly IterationReport[]) => void;
}

export interface Iterated {
  readonly iterations: readonly IterationReport[];
  readonly verdict: Exclude<Verdict, { kind: 'iterate' }>;
}

const PAGE_BYTES = 4096;
const MS_PER_S = 1000;

/** Rejects with ABORTED, with IO when the connection is lost, or with what the destination says. */
export async function iterate(run: Iterating): Promise<Iterated> {
  const iterations: IterationReport[] = [];
  for (;;) {
    iterations.push(await iteration(run, iterations));
    run.onIteration(iterations);
    const elapsedMs = performance.now() - run.begun;
    const verdict = decide({ iterations, elapsedMs, wireBytes: run.sender.counters().wireBytes }, run.policy);
    if (verdict.kind !== 'iterate') return { iterations, verdict };
  }
}

async function iteration(
  { pid, sender, channel, signal }: Iterating,
  before: readonly IterationReport[],
): Promise<IterationReport> {
  const number = before.length;
  const from = performance.now();
  const start = sender.counters();
  await channel.send({ type: 'level', number });
  await sender.scan(await scanTasksOf(pid), { signal }).done;
  await sender.finish({ signal }).done;
  await acknowledged(channel, number, signal);
  return measure({ number, ms: performance.now() - from, start, end: sender.counters() }, before.at(-1));
}

/** Waits for the word that a level has come in. */
export async function acknowledged(channel: SourceChannel, number: number, signal: AbortSignal): Promise<void> {
  const got = await heardOrAborted(channel, signal);
  if (got?.message.type === 'level-done' && got.message.number === number) return;
  if (got?.message.type === 'gone')
    throw new CheckpointError('IO', `Cannot migrate: ${got.message.message}. The tree runs on here`, {});
  const why = got === undefined ? 'the connection to the destination was lost' : `it said "${got.message.type}"`;
  throw new CheckpointError('IO', `Cannot migrate: ${why}. The tree runs on here`, {
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

interface Measured {
  readonly number: number;
  readonly ms: number;
  readonly start: TransferCounters;
  readonly end: TransferCounters;
}

// CRIU's own work in a final dump of a small tree, and the restore of one; measured on two cores.
const FIXED_MS = 90;
// What a final dump looks at per second here: taken from CRIU's socket, searched, digested.
const DUMP_BYTES_PER_SECOND = 1.2e9;

export function measure({ number, ms, start, end }: Measured, before: IterationReport | undefined): IterationReport {
  const bytes = (end.pagesIn - start.pagesIn) * PAGE_BYTES;
  const changedBytes = (end.sentPages - start.sentPages) * PAGE_BYTES;
  const wireBytes = end.wireBytes - start.wireBytes;
  const wireBytesPerSecond = Math.max(wireBytes / (ms / MS_PER_S), before?.wireBytesPerSecond ?? 0, 1);
  // All of it changed since the one before read it.
  const dirtyBytesPerSecond = before === undefined ? undefined : changedBytes / (before.ms / MS_PER_S);
  const predictedDowntimeMs = predictDowntime({
    bytes,
    dirtyBytesPerSecond: dirtyBytesPerSecond ?? changedBytes / (ms / MS_PER_S),
    lastMs: ms,
    wireBytesPerSecond,
    dumpBytesPerSecond: DUMP_BYTES_PER_SECOND,
    fixedMs: FIXED_MS,
    wireRatio: changedBytes === 0 ? 1 : wireBytes / changedBytes,
  });
  return {
    number,
    bytes,
    changedBytes,
    zeroPages: end.zeroPages - start.zeroPages,
    samePages: end.samePages - start.samePages,
    wireBytes,
    ms,
    dirtyBytesPerSecond,
    wireBytesPerSecond,
    predictedDowntimeMs,
  };
}
