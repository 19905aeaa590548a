import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chooseArchiveStore, chooseStore, hasRoom, isTooSlow, type StoreFacts } from '../../../src/pages/store.js';

const GIB = 2 ** 30;
const facts = (own: Partial<StoreFacts>): StoreFacts => ({
  absorb: 'auto',
  leaveRunning: true,
  expectedBytes: GIB,
  availableBytes: 8 * GIB,
  ...own,
});

describe('chooseStore()', () => {
  it.each([
    ['the tree runs on and there is room', {}, 'memory'],
    ['the tree does not run on', { leaveRunning: false }, 'directory'],
    ['memory is short', { availableBytes: GIB }, 'directory'],
    ['memory would do, but for what is kept free', { availableBytes: 1.25 * GIB }, 'directory'],
    ['never', { absorb: 'never' }, 'directory'],
    ['always, although the tree does not run on', { absorb: 'always', leaveRunning: false }, 'memory'],
    ['nothing is expected', { expectedBytes: 0 }, 'memory'],
  ] as const)('%s', (_, own, kind) => {
    const choice = chooseStore(facts(own));
    expect(choice.kind).toBe(kind);
    expect(choice.why).toMatch(/^[a-z0-9][^.]*$/);
  });

  it('names both sizes when memory is too short', () => {
    const { why } = chooseStore(facts({ availableBytes: GIB / 2 }));
    expect(why).toBe('512 MiB of memory are too few to absorb 1024 MiB');
  });

  it('takes memory by itself only where it certainly fits', () => {
    fc.assert(
      fc.property(fc.nat(2 ** 40), fc.nat(2 ** 40), (expectedBytes, availableBytes) => {
        const own = facts({ expectedBytes, availableBytes });
        return chooseStore(own).kind === 'directory' || hasRoom(own);
      }),
    );
  });

  it('hasRoom() is false for what the caller insists on and the machine has not', () => {
    expect(hasRoom(facts({ absorb: 'always', expectedBytes: 9 * GIB }))).toBe(false);
  });
});

describe('isTooSlow()', () => {
  const least = chooseArchiveStore(facts({}), 'file').leastBytesPerMs ?? Number.NaN;

  it.each([
    ['nothing yet, and nothing to be told from that', 0, 50, false],
    ['a quarter of a GiB in 50 ms', GIB / 4, 50, false],
    ['a GiB in 200 ms', GIB, 200, false],
    ['a tenth of that', GIB / 10, 200, true],
    ['a GiB in 4 s', GIB, 4000, true],
  ] as const)('%s', (_, bytes, ms, slow) => {
    expect(isTooSlow(least, bytes, ms)).toBe(slow);
  });

  it('a stream waits, as it has to have all before it can be written', () => {
    expect(chooseArchiveStore(facts({}), 'stream').leastBytesPerMs).toBeUndefined();
  });
});
