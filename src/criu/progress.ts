// Progress of a dump, read from the sink's counters at a steady pace. CRIU itself says nothing while it works.

import type { PageSink } from '../addon/page-sink.js';
import type { Work } from './operation.js';

/** `preparing`: the tree runs. `freezing`: CRIU stops it and takes its memory. `writing`: pages on their way to the directory. */
export type CapturePhase = 'preparing' | 'freezing' | 'writing';

export interface CaptureProgress {
  readonly phase: CapturePhase;
  /** Of this phase, out of `totalBytes`, which is an estimate made before the freeze: 100 % may be passed by a growing tree. */
  readonly bytes: number;
  readonly totalBytes: number;
  /** In this phase so far; absent until something has moved. */
  readonly bytesPerSecond?: number;
  readonly etaMs?: number;
  readonly elapsedMs: number;
}

// Ten times a second: fluent for the eye, nothing for the processor.
const PERIOD_MS = 100;

export interface CaptureTracker {
  enter(phase: CapturePhase): void;
  stop(): void;
}

export function trackCapture(work: Work<CaptureProgress>, sink: PageSink, totalBytes: number): CaptureTracker {
  const begun = performance.now();
  let phase: CapturePhase = 'preparing';
  let phaseBegun = begun;
  const emit = (): void => work.emit(snapshot({ phase, sink, totalBytes, begun, phaseBegun, now: performance.now() }));
  const timer = setInterval(emit, PERIOD_MS);
  // Progress alone keeps no program running.
  timer.unref();
  emit();
  return {
    enter(next) {
      phase = next;
      phaseBegun = performance.now();
      emit();
    },
    stop() {
      clearInterval(timer);
      emit();
    },
  };
}

interface Moment {
  readonly phase: CapturePhase;
  readonly sink: PageSink;
  readonly totalBytes: number;
  readonly begun: number;
  readonly phaseBegun: number;
  readonly now: number;
}

function snapshot({ phase, sink, totalBytes, begun, phaseBegun, now }: Moment): CaptureProgress {
  const counters = sink.counters();
  const bytes = { preparing: 0, freezing: counters.bytesIn, writing: counters.bytesOut }[phase];
  const bytesPerMs = bytes / (now - phaseBegun);
  const moving = bytes > 0 && Number.isFinite(bytesPerMs);
  return {
    phase,
    bytes,
    totalBytes,
    elapsedMs: now - begun,
    ...(moving ? { bytesPerSecond: bytesPerMs * 1000, etaMs: Math.max(0, totalBytes - bytes) / bytesPerMs } : {}),
  };
}
