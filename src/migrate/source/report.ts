// What a migration tells in the end.

import type { Final } from './final.js';
import type { Iterated } from './iterate.js';
import type { Opened } from './opened.js';
import type { MigrateReport } from './options.js';
import { stagesOf } from './stages.js';

/** `final` is absent for a dry run. */
export function reportOf(
  { plan, begun, sender, link, tracking, streams }: Opened,
  iterated: Iterated | undefined,
  final: Final | undefined,
): MigrateReport {
  const { wireBytes, cpuNs, stallNs } = sender.counters();
  const at = final?.outcome.at;
  const dumped = final?.dump.at;
  const freezeMs = final?.dump.freezeMs ?? 0;
  // The word was under way for as long.
  const runs = Math.max(at?.prepared ?? 0, (at?.running ?? 0) - link.roundTripMs / 2);
  const downtime =
    at === undefined || dumped === undefined
      ? undefined
      : {
          freeze: freezeMs,
          dump: dumped.dumped - dumped.frozen - freezeMs,
          transfer: dumped.sent - dumped.dumped,
          restore: at.prepared - dumped.sent,
          resume: runs - at.prepared,
        };
  const downtimeMs = dumped === undefined ? undefined : runs - dumped.frozen;
  const predictedDowntimeMs = iterated?.verdict.predictedDowntimeMs;
  return {
    pid: final?.outcome.pid ?? plan.pid,
    mode: modeOf(plan.options.dryRun === true, iterated, final),
    tracking: tracking.kind,
    trackingReason: tracking.reason,
    iterations: [...(iterated?.iterations ?? []), ...(final === undefined ? [] : [final.report])],
    stages: stagesOf(sender.counters()),
    streams: streams.count,
    streamsReason: streams.reason,
    wireBytes,
    totalMs: performance.now() - begun,
    downtimeMs,
    // What is predicted is the downtime of a tree that arrives whole.
    predictionError:
      downtimeMs === undefined || predictedDowntimeMs === undefined || final?.fill !== undefined
        ? undefined
        : predictedDowntimeMs / downtimeMs - 1,
    predictedDowntimeMs: predictedDowntimeMs ?? 0,
    predictedDowntime: iterated?.iterations.at(-1)?.predictedDowntime,
    downtime,
    fill: final?.fill,
    cpuMs: cpuNs / 1e6,
    stallMs: stallNs / 1e6,
  };
}

/** What it was in the end. */
function modeOf(dryRun: boolean, iterated: Iterated | undefined, final: Final | undefined): MigrateReport['mode'] {
  if (dryRun) return 'dry-run';
  if (final?.fill !== undefined) return iterated === undefined ? 'post-copy' : 'hybrid';
  return iterated === undefined ? 'cold' : 'pre-copy';
}
