/** How large a difference is, where the rank test says how sure it is. With enough runs a difference of no interest becomes sure. */
export interface Effect {
  /** Cliff's delta in [-1, 1]: share of pairs in which the second is larger, minus the share in which it is smaller. */
  readonly delta: number;
  /** Common language: the chance that a run of the second takes less than a run of the first, ties counted half. */
  readonly chanceLess: number;
  readonly size: 'negligible' | 'small' | 'medium' | 'large';
}

// The usual reading of Cliff's delta (Romano and others, 2006).
const NEGLIGIBLE = 0.147;
const SMALL = 0.33;
const MEDIUM = 0.474;

export function effect(first: readonly number[], second: readonly number[]): Effect | undefined {
  const pairs = first.length * second.length;
  if (pairs === 0) return undefined;
  let more = 0;
  let less = 0;
  for (const a of first) {
    for (const b of second) {
      if (b > a) more++;
      if (b < a) less++;
    }
  }
  const delta = (more - less) / pairs;
  return { delta, chanceLess: (less + (pairs - more - less) / 2) / pairs, size: sizeOf(Math.abs(delta)) };
}

function sizeOf(delta: number): Effect['size'] {
  if (delta < NEGLIGIBLE) return 'negligible';
  if (delta < SMALL) return 'small';
  return delta < MEDIUM ? 'medium' : 'large';
}
