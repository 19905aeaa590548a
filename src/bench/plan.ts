/** The order of runs: A B A B, so that a drift of the machine (heat, neighbours, page cache) falls on all peers alike. */
export interface Planned {
  /** Index of the peer. */
  readonly peer: number;
  readonly warmup: boolean;
  /** From 0, warm-ups and counted runs apart. */
  readonly index: number;
  /** The first run of a peer is restored: a pipeline that cannot be restored fails before it is measured. */
  readonly restore: boolean;
}

export function planRuns(peers: number, runs: number, warmups: number): readonly Planned[] {
  const plan: Planned[] = [];
  for (let round = 0; round < warmups + runs; round++) {
    const warmup = round < warmups;
    for (let peer = 0; peer < peers; peer++) {
      plan.push({ peer, warmup, index: warmup ? round : round - warmups, restore: round === 0 });
    }
  }
  return plan;
}
