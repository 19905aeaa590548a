// One sentence and one code for every abort that comes before there is anything to cancel; the addon's jobs say the same (addon/job.ts).

import { CheckpointError } from './checkpoint-error.js';

/** `action` completes "Cannot ...". Throws ABORTED with the signal's reason as its cause. */
export function assertNotAborted(action: string, signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw aborted(action, signal.reason);
}

export function aborted(action: string, cause: unknown): CheckpointError<'ABORTED'> {
  return new CheckpointError('ABORTED', `Cannot ${action}: the caller aborted it`, {}, { cause });
}
