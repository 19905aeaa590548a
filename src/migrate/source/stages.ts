// What the stages of the page streams have saved: from what was counted over all levels.

import type { TransferCounters } from '../../addon/page-streams.js';
import type { StageReport } from './options.js';

const PAGE_BYTES = 4096;

export function stagesOf(counters: TransferCounters): readonly StageReport[] {
  const { zeroPages, samePages, sentPages, patchedPages, patchBytes, packedPages, bodyBytes } = counters;
  const asTheyAre = (sentPages - patchedPages - packedPages) * PAGE_BYTES;
  const all: readonly StageReport[] = [
    { stage: 'zero', bytes: zeroPages * PAGE_BYTES, carriedBytes: 0 },
    { stage: 'unchanged', bytes: samePages * PAGE_BYTES, carriedBytes: 0 },
    { stage: 'delta', bytes: patchedPages * PAGE_BYTES, carriedBytes: patchBytes },
    { stage: 'compression', bytes: packedPages * PAGE_BYTES, carriedBytes: bodyBytes - patchBytes - asTheyAre },
  ];
  return all.filter(({ bytes }) => bytes > 0);
}
