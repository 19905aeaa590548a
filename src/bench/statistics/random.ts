/** A source of numbers in [0, 1). Passed in everywhere, so that a report can be computed again from its series. */
export type Random = () => number;

/** mulberry32: 32 bits of state are enough for a bootstrap of some thousand draws. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let z = Math.imul(state ^ (state >>> 15), state | 1);
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
    return ((z ^ (z >>> 14)) >>> 0) / 2 ** 32;
  };
}
