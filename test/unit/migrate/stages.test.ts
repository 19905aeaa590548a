// What is done to pages on their way, and over how many connections.

import { describe, expect, it } from 'vitest';
import { deltaOf } from '../../../src/migrate/source/packing.js';
import { stagesOf } from '../../../src/migrate/source/stages.js';
import { streamsFor } from '../../../src/migrate/source/streams.js';

const MIB = 2 ** 20;

describe('streamsFor()', () => {
  const near = { processors: 2, roundTripMs: 0.2, linkBytesPerSecond: 1250e6, windowBytes: 4 * MIB };

  it.each([
    ['a processor each', near, 2],
    ['never none', { ...near, processors: 0 }, 1],
    ['some processors for the tree', { ...near, processors: 64 }, 4],
    ['what fills a long link', { ...near, roundTripMs: 18 }, 6],
    ['no more than the link is fast', { ...near, roundTripMs: 18, linkBytesPerSecond: 125e6 }, 2],
    ['a bound on that, too', { ...near, roundTripMs: 300 }, 8],
  ])('chooses %s', (_, model, count) => {
    expect(streamsFor(model).count).toBe(count);
  });

  it('says why', () => {
    expect(streamsFor(near).reason).toBe('2 processors here');
    expect(streamsFor({ ...near, roundTripMs: 18 }).reason).toContain('18.0 ms');
  });
});

describe('deltaOf()', () => {
  const to = 'unix:/x';

  it('takes an eighth of the tree within bounds, or what is given', () => {
    const sizes = [0, 1024, 8192].map((mebibytes) => deltaOf({ to }, mebibytes * MIB).delta?.cacheBytes);
    expect(sizes).toEqual([16 * MIB, 128 * MIB, 256 * MIB]);
    expect(deltaOf({ to, delta: 'always', deltaCacheBytes: 4096 }, MIB).delta).toEqual({
      cacheBytes: 4096,
      always: true,
    });
    expect(deltaOf({ to, delta: 'none' }, MIB)).toEqual({});
  });

  it('has none where every page is sent once', () => {
    expect(deltaOf({ to, delta: 'always', maxIterations: 0 }, MIB)).toEqual({});
    expect(deltaOf({ to, mode: 'post-copy' }, MIB)).toEqual({});
  });
});

describe('stagesOf()', () => {
  const none = { zeroPages: 0, samePages: 0, leftPages: 0, patchedPages: 0, packedPages: 0, patchBytes: 0 };
  const counters = { ...none, pagesIn: 20, sentPages: 10, bodyBytes: 10 * 4096, wireBytes: 0 };
  const times = { cpuNs: 0, stallNs: 0, readNs: 0, sortNs: 0 };

  it('has what was used, with what it carried', () => {
    expect(stagesOf({ ...counters, ...times })).toEqual([]);
    // One page as it is, four compressed to half, five as 20 bytes each.
    const bodyBytes = 4096 + 2 * 4096 + 100;
    const used = { zeroPages: 3, samePages: 2, patchedPages: 5, patchBytes: 100, packedPages: 4, bodyBytes };
    expect(stagesOf({ ...counters, ...times, ...used })).toEqual([
      { stage: 'zero', bytes: 3 * 4096, carriedBytes: 0 },
      { stage: 'unchanged', bytes: 2 * 4096, carriedBytes: 0 },
      { stage: 'delta', bytes: 5 * 4096, carriedBytes: 100 },
      { stage: 'compression', bytes: 4 * 4096, carriedBytes: 2 * 4096 },
    ]);
  });
});
