import { describe, expect, it } from 'vitest';
import { type LazyCounters, latencyMicros } from '../../../src/addon/lazy-program.js';
import { faultLatency } from '../../../src/criu/lazy/report.js';

const counted = (latency: readonly number[], faultMaxNs: number): LazyCounters =>
  ({ latency, faultMaxNs }) as unknown as LazyCounters;

describe('faultLatency()', () => {
  it('names the upper end of the span in which the quantile lies', () => {
    const latency = Array.from({ length: 40 }, (_, i) => (i === 10 ? 99 : i === 30 ? 1 : 0));
    expect(faultLatency(counted(latency, 1e9))).toEqual({ p50: latencyMicros(10), p99: latencyMicros(10), max: 1e6 });
  });

  it('never names more than the longest wait', () => {
    const latency = Array.from({ length: 40 }, (_, i) => (i === 39 ? 15 : 0));
    const max = Math.floor(latencyMicros(39)) - 1;
    expect(faultLatency(counted(latency, max * 1000))).toEqual({ p50: max, p99: max, max });
  });

  it('is zero without a fault', () => {
    expect(faultLatency(counted([0, 0], 0))).toEqual({ p50: 0, p99: 0, max: 0 });
  });
});
