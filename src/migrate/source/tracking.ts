// How the pages that have changed are found: the kernel tells which were written (soft-dirty), or Frazil compares digests.

import { hasSoftDirty } from '../../criu/doctor/kernel.js';
import { CheckpointError } from '../../errors/checkpoint-error.js';
import type { MigrateOptions, Tracking } from './options.js';

export interface ChosenTracking {
  readonly kind: Tracking;
  /** Why: a clause. */
  readonly reason: string;
}

/** Rejects with FEATURE_MISSING where soft-dirty is demanded and this kernel has none. `mustBeWhole`: pages may stay behind iterations. */
export async function chooseTracking(
  { tracking = 'auto' }: MigrateOptions,
  mustBeWhole: boolean,
): Promise<ChosenTracking> {
  // CRIU leaves to the pre-dumps what was not written since, and nobody can read such a dump here: their pages were not kept.
  if (tracking === 'auto' && mustBeWhole) return { kind: 'digest', reason: 'a dump that may stay here must be whole' };
  if (tracking === 'digest') return { kind: 'digest', reason: 'it was asked for' };
  if (await hasSoftDirty()) {
    const reason = tracking === 'auto' ? 'this kernel tells which pages were written' : 'it was asked for';
    return { kind: 'soft-dirty', reason };
  }
  if (tracking === 'auto') return { kind: 'digest', reason: 'this kernel does not tell which pages were written' };
  throw new CheckpointError(
    'FEATURE_MISSING',
    "Cannot migrate with tracking soft-dirty: this kernel does not tell which pages were written (CONFIG_MEM_SOFT_DIRTY). Pass tracking: 'auto'",
    { feature: 'soft-dirty', option: 'tracking' },
  );
}
