// The migrate verb: a running tree to another host. source/migrating.ts does it; docs/migration.md says how it works.

import { assertPid, NO_FDS } from '../criu/dump.js';
import { type Operation, operation } from '../criu/operation.js';
import { encodeOptions } from '../options/request.js';
import type { MigrationPlan } from './source/opened.js';
import type { MigrateOptions, MigrateProgress, MigrateReport } from './source/options.js';
import { MAX_STREAMS, parseAddress } from './wire/address.js';
import { sourceSecurity } from './wire/security.js';

/**
 * Moves the tree below `pid` to the receiver at `to`. Resolves when it runs there and is gone here.
 *
 * Rejects with DUMP_REFUSED, RESTORE_REFUSED (the destination's CRIU), NO_SUCH_PROCESS, CRIU_MISSING, CRIU_DIED, IO, PROTOCOL, ABORTED,
 * FEATURE_MISSING, or NOT_CONVERGING when it does not converge; throws TypeError or RangeError for misuse before anything happens. Whenever it rejects the
 * tree runs on here, and no task of a copy is left there. But with LEFT_LOST, of a tree that left pages behind, it had arrived, and is gone.
 *
 * An abort rolls back until the destination has been told to let its copy run. From then on only it knows where the tree lives, and
 * this waits until it can be asked (progress `undecided`), with the tree stopped: there are never two.
 */
export function migrate(pid: number, options: MigrateOptions): Operation<MigrateProgress, MigrateReport> {
  assertPid(pid);
  const { to, security } = assertMigration(options);
  encodeOptions('dump', options.dump ?? {}, NO_FDS);
  return operation(options.signal, async (work) => {
    // Loaded when the first migration is asked for.
    const { runMigration } = await import('./source/migrating.js');
    return runMigration({ pid, to, security, options }, work);
  });
}

/** What can be wrong with a migration before anything happens. Throws TypeError or RangeError. */
export function assertMigration(options: Omit<MigrateOptions, 'dump'>): Pick<MigrationPlan, 'to' | 'security'> {
  const to = parseAddress(options.to);
  const security = sourceSecurity(options, to);
  const { streams = 1, maxIterations = 0, maxDowntimeMs = 1, deltaCacheBytes = DELTA_CACHE.from } = options;
  assertWhole('streams', streams, { from: 1, to: MAX_STREAMS });
  assertWhole('maxIterations', maxIterations, { from: 0, to: MAX_ITERATIONS });
  assertWhole('deltaCacheBytes', deltaCacheBytes, DELTA_CACHE);
  assertLeaving(options);
  if (!(maxDowntimeMs > 0))
    throw new RangeError(`Cannot use ${maxDowntimeMs} as maxDowntimeMs: it is a number above 0`);
  const { throttle } = options;
  if (throttle !== undefined && !(throttle.max > 0 && throttle.max <= MAX_THROTTLE))
    throw new RangeError(`Cannot use ${throttle.max} as throttle.max: it is above 0 and at most ${MAX_THROTTLE}`);
  return { to, security };
}

// Who is slowed down by more does not answer any more.
const MAX_THROTTLE = 0.95;

function assertLeaving({ mode = 'pre-copy', whenDiverging, rescueTo, tracking, maxIterations }: MigrateOptions): void {
  if (mode === 'post-copy' && (maxIterations ?? 0) > 0)
    throw new RangeError('Cannot use maxIterations with mode post-copy, which has none: mode hybrid has');
  const leavesNothing = mode === 'pre-copy' && whenDiverging !== 'lazy';
  if (rescueTo !== undefined && leavesNothing)
    throw new RangeError('Cannot use rescueTo with mode pre-copy, which leaves nothing behind');
  if (mode !== 'post-copy' && !leavesNothing && tracking === 'soft-dirty')
    throw new RangeError(
      "Cannot use tracking soft-dirty where pages may stay behind iterations: that dump is not whole. Pass tracking: 'auto'",
    );
}

// Each is a level of the images, which a restore has to go through.
const MAX_ITERATIONS = 1000;

// A page; and what needs half a gigabyte for its index alone.
const DELTA_CACHE = { from: 4096, to: 64 * 2 ** 30 };

function assertWhole(name: string, value: number, range: { readonly from: number; readonly to: number }): void {
  if (Number.isInteger(value) && value >= range.from && value <= range.to) return;
  throw new RangeError(`Cannot use ${value} as ${name}: it is a whole number from ${range.from} to ${range.to}`);
}
