// Opens the sink of a capture. What is chosen may turn out not to be possible; then the other way is taken, only with a longer freeze.

import type { PageSink } from '../addon/page-sink.js';
import { CheckpointError } from '../errors/checkpoint-error.js';
import { availableMemory } from '../pages/estimate.js';
import {
  type Absorb,
  budgetOf,
  hasRoom,
  isTooSlow,
  mebibytes,
  type StoreChoice,
  type StoreFacts,
  type StoreVerdict,
} from '../pages/store.js';
import type { CapturePlace } from './capture-place.js';

export interface SinkOpening {
  readonly plan: {
    readonly verb: string;
    readonly pid: number;
    readonly absorb: Absorb;
    readonly runsOn: boolean;
  };
  readonly place: Pick<CapturePlace, 'choose' | 'openSink'>;
  readonly expectedBytes: number;
  readonly signal: AbortSignal;
}

export interface ChosenSink {
  readonly sink: PageSink;
  readonly store: StoreChoice;
}

export async function chooseSink({ plan, place, expectedBytes, signal }: SinkOpening): Promise<ChosenSink> {
  const { absorb, runsOn: leaveRunning } = plan;
  const facts = { absorb, leaveRunning, expectedBytes, availableBytes: await availableMemory() };
  const verdict = place.choose(facts);
  const { store, otherwise } = verdict;
  if (store.kind === 'memory' && absorb === 'always' && !hasRoom(facts)) throw noRoom(plan, facts);
  const sink = await place.openSink(sinkOf(store, facts));
  if (store.kind !== 'memory') return { sink, store };
  try {
    const why = await prepare(sink, verdict, { plan, expectedBytes, signal });
    if (why === undefined) return { sink, store };
    // At once: it may have taken most of the memory.
    sink[Symbol.dispose]();
    const other = { kind: otherwise, why };
    return { sink: await place.openSink(sinkOf(other, facts)), store: other };
  } catch (error) {
    sink[Symbol.dispose]();
    throw error;
  }
}

// Why it is not done. Rejects with what no other way would help against.
async function prepare(
  sink: PageSink,
  { leastBytesPerMs = 0 }: StoreVerdict,
  { plan: { absorb }, expectedBytes, signal }: Omit<SinkOpening, 'place'>,
): Promise<string | undefined> {
  const begun = performance.now();
  const job = sink.prepare(expectedBytes, { signal });
  let slow: string | undefined;
  const look = setInterval(() => {
    const [bytes, ms] = [sink.counters().bytesPrepared, performance.now() - begun];
    if (absorb === 'always' || !isTooSlow(leastBytesPerMs, bytes, ms)) return;
    slow = `memory to absorb the pages comes slowly (${mebibytes(bytes)} in ${Math.round(ms)} ms)`;
    job.cancel();
  }, LOOK_MS);
  try {
    await job.done;
    return undefined;
  } catch (error) {
    if (slow !== undefined && !signal.aborted) return slow;
    if (absorb === 'always' || !CheckpointError.is(error, 'IO')) throw error;
    return `memory to absorb the pages could not be had (${error.detail.errno ?? 'unknown'})`;
  } finally {
    clearInterval(look);
  }
}

const LOOK_MS = 25;

// A spilling sink absorbs too, only with no memory for it.
function sinkOf({ kind }: StoreChoice, facts: StoreFacts): Parameters<CapturePlace['openSink']>[0] {
  if (kind === 'memory') return { store: 'memory', memoryBytes: budgetOf(facts) };
  return { store: kind === 'disk' ? 'memory' : 'directory', memoryBytes: 0 };
}

function noRoom({ verb, pid }: SinkOpening['plan'], facts: StoreFacts): CheckpointError<'IO'> {
  const sizes = `${mebibytes(facts.expectedBytes)} of pages, ${mebibytes(facts.availableBytes)} of memory are available`;
  const message = `Cannot ${verb} process ${pid} with absorb: 'always': ${sizes}. Pass absorb: 'auto'`;
  return new CheckpointError('IO', message, { syscall: 'madvise', errno: 'ENOMEM' });
}
