// What a final dump would cost, from what the iterations have shown.

import { describe, expect, it } from 'vitest';
import { predictDirty, predictDowntime } from '../../../src/migrate/prediction.js';

const MIB = 2 ** 20;

describe('predictDirty()', () => {
  it('follows a tree that writes ever other pages, and one that writes the same ones', () => {
    const before = { changedBytes: 200 * MIB, sinceMs: 2000 };
    expect(predictDirty({ changedBytes: 100 * MIB, sinceMs: 1000 }, before, 500)).toBeCloseTo(50 * MIB, -3);
    expect(predictDirty({ changedBytes: 200 * MIB, sinceMs: 1000 }, before, 500)).toBeCloseTo(200 * MIB, -3);
  });

  it('lies between them while it does not know', () => {
    const last = { changedBytes: 100 * MIB, sinceMs: 1000 };
    for (const before of [undefined, last, { changedBytes: 0, sinceMs: 5000 }]) {
      const dirty = predictDirty(last, before, 500);
      expect(dirty).toBeGreaterThan(50 * MIB);
      expect(dirty).toBeLessThan(100 * MIB);
    }
  });

  it('predicts nothing of nothing', () => {
    expect(predictDirty({ changedBytes: 0, sinceMs: 1000 }, undefined, 500)).toBe(0);
    expect(predictDirty({ changedBytes: MIB, sinceMs: 0 }, undefined, 500)).toBe(0);
  });
});

describe('predictDowntime()', () => {
  const model = {
    bytes: 1000 * MIB,
    lookedAtBytes: 1000 * MIB,
    dirtyBytes: 100 * MIB,
    wireBytesPerSecond: 100 * MIB,
    dumpBytesPerSecond: 2000 * MIB,
    fillBytesPerSecond: 4000 * MIB,
    roundTripMs: 20,
    wireRatio: 0.5,
    paceMs: { here: 5, there: 4 },
    tasks: 1,
    areasMs: 2,
    frozenMs: undefined,
  };

  it('adds looking or sending, whichever is slower, to filling and what is fixed', () => {
    const least = predictDowntime({ ...model, dirtyBytes: 0 });
    expect(least.predictedDowntimeMs).toBeCloseTo(least.leastDowntimeMs, 6);
    const both = predictDowntime(model);
    expect(both.leastDowntimeMs).toBeCloseTo(least.leastDowntimeMs, 6);
    // 500 ms to look at it all, 500 ms to send half of 100 MiB at 100 MiB/s: at once. Looking at what has changed comes on top.
    expect(both.predictedDowntimeMs - least.predictedDowntimeMs).toBeCloseTo(50, 6);
    const slow = predictDowntime({ ...model, wireBytesPerSecond: 25 * MIB });
    expect(slow.predictedDowntimeMs - least.predictedDowntimeMs).toBeCloseTo(1500, 6);
  });

  it('is the sum of its parts', () => {
    const { predictedDowntime: parts, predictedDowntimeMs } = predictDowntime(model);
    expect(parts.freeze + parts.dump + parts.transfer + parts.restore + parts.resume).toBeCloseTo(
      predictedDowntimeMs,
      6,
    );
  });

  it('adds to the transfer only what the link is slower by', () => {
    const fast = predictDowntime({ ...model, wireBytesPerSecond: 10_000 * MIB }).predictedDowntime;
    const slow = predictDowntime({ ...model, wireBytesPerSecond: 25 * MIB }).predictedDowntime;
    expect(slow.dump).toBe(fast.dump);
    // 2000 ms to send, 550 ms to look.
    expect(slow.transfer - fast.transfer).toBeCloseTo(1450, 6);
  });

  it('asks more of a slow host, on the side where it is slow', () => {
    const quick = predictDowntime(model).predictedDowntime;
    const slowHere = predictDowntime({ ...model, paceMs: { here: 50, there: 4 } }).predictedDowntime;
    expect(slowHere.dump).toBeGreaterThan(quick.dump);
    expect([slowHere.restore, slowHere.resume]).toEqual([quick.restore, quick.resume]);
    const slowThere = predictDowntime({ ...model, paceMs: { here: 5, there: 40 } }).predictedDowntime;
    expect([slowThere.dump, slowThere.transfer]).toEqual([quick.dump, quick.transfer]);
    expect(slowThere.restore).toBeGreaterThan(quick.restore);
  });

  it('asks more of more tasks, and of longer lists of areas', () => {
    const one = predictDowntime(model).predictedDowntime;
    const many = predictDowntime({ ...model, tasks: 25, areasMs: 30 }).predictedDowntime;
    // 24 times a pace here, and twice a pace there.
    expect(many.freeze + many.dump - one.freeze - one.dump).toBeCloseTo(24 * 5 + 28, 6);
    expect(many.restore - one.restore).toBeCloseTo(24 * 2 * 4, 6);
  });

  it('takes what a pre-dump has shown of freezing', () => {
    const shown = predictDowntime({ ...model, frozenMs: 70 }).predictedDowntime.dump;
    const longer = predictDowntime({ ...model, frozenMs: 170, areasMs: 50 }).predictedDowntime.dump;
    expect(longer - shown).toBeCloseTo(100, 6);
  });

  it('does not look at what the kernel says was not written', () => {
    const tracked = predictDowntime({ ...model, lookedAtBytes: 0, wireBytesPerSecond: 10_000 * MIB });
    expect(predictDowntime(model).leastDowntimeMs - tracked.leastDowntimeMs).toBeCloseTo(500, 6);
  });
});
