// What a migration tells in the end.

import type { Final } from './final.js';
import type { Iterated } from './iterate.js';
import type { Opened } from './opened.js';
import type { MigrateReport } from './options.js';

/** `final` is absent for a dry run. */
export function reportOf(
  { plan, begun, sender, link, tracking }: Opened,
  iterated: Iterated | undefined,
  final: Final | undefined,
): MigrateReport {
  const { wireBytes, cpuNs, stallNs } = sender.counters();
  const at = final?.outcome.at;
  const dumped = final?.dump.at;
  // The word was under way for as long.
  const runs = Math.max(at?.prepared ?? 0, (at?.running ?? 0) - link.roundTripMs / 2);
  const downtime =
    at === undefined || dumped === undefined
      ? undefined
      : {
          dump: dumped.dumped - dumped.frozen,
          transfer: dumped.sent - dumped.dumped,
          restore: at.prepared - dumped.sent,
          resume: runs - at.prepared,
        };
  const downtimeMs = dumped === undefined ? undefined : runs - dumped.frozen;
  const predictedDowntimeMs = iterated?.verdict.predictedDowntimeMs;
  return {
    pid: final?.outcome.pid ?? plan.pid,
    mode: plan.options.dryRun === true ? 'dry-run' : iterated === undefined ? 'cold' : 'pre-copy',
    tracking: tracking.kind,
    trackingReason: tracking.reason,
    iterations: [...(iterated?.iterations ?? []), ...(final === undefined ? [] : [final.report])],
    wireBytes,
    totalMs: performance.now() - begun,
    downtimeMs,
    predictionError:
      downtimeMs === undefined || predictedDowntimeMs === undefined ? undefined : predictedDowntimeMs / downtimeMs - 1,
    predictedDowntimeMs: predictedDowntimeMs ?? 0,
    predictedDowntime: iterated?.iterations.at(-1)?.predictedDowntime,
    downtime,
    cpuMs: cpuNs / 1e6,
    stallMs: stallNs / 1e6,
  };
}
