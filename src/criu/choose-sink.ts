// Opens the sink of a capture. What is chosen may turn out not to be possible; then the other way is taken, only with a longer freeze.

import type { PageSink } from '../addon/page-sink.js';
import { CheckpointError } from '../errors/checkpoint-error.js';
import { availableMemory } from '../pages/estimate.js';
import { type Absorb, budgetOf, hasRoom, mebibytes, type StoreChoice, type StoreFacts } from '../pages/store.js';
import type { CapturePlace } from './capture-place.js';

export interface SinkOpening {
  readonly plan: {
    readonly verb: string;
    readonly pid: number;
    readonly absorb: Absorb;
    readonly runsOn: boolean;
  };
  readonly place: CapturePlace;
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
  const { store, otherwise } = place.choose(facts);
  if (store.kind === 'memory' && absorb === 'always' && !hasRoom(facts)) throw noRoom(plan, facts);
  const sink = await place.openSink(sinkOf(store, facts));
  if (store.kind !== 'memory') return { sink, store };
  try {
    await sink.prepare(expectedBytes, { signal }).done;
    return { sink, store };
  } catch (error) {
    // At once: it may have taken most of the memory.
    sink[Symbol.dispose]();
    if (absorb === 'always' || !CheckpointError.is(error, 'IO')) throw error;
    const why = `memory to absorb the pages could not be had (${error.detail.errno ?? 'unknown'})`;
    const other = { kind: otherwise, why };
    return { sink: await place.openSink(sinkOf(other, facts)), store: other };
  }
}

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
