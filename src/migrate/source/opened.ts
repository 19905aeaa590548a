// A migration whose connections are open: what its parts work with.

import type { PageSender } from '../../addon/page-streams.js';
import type { Located } from '../../criu/locate.js';
import type { Work } from '../../criu/operation.js';
import type { Address } from '../wire/address.js';
import type { Link } from '../wire/connect.js';
import type { LeftConnection } from '../wire/left.js';
import type { SourceSecurity } from '../wire/security.js';
import type { MigrateOptions, MigrateProgress } from './options.js';
import type { PreDumps } from './pre-dumps.js';
import type { ChosenStreams } from './streams.js';
import type { Throttle } from './throttle.js';
import type { ChosenTracking } from './tracking.js';
import type { Vessel } from './vessel.js';

export interface MigrationPlan {
  readonly pid: number;
  readonly to: Address;
  readonly security: SourceSecurity;
  readonly options: MigrateOptions;
  readonly vessel?: Vessel;
}

export const DEFAULTS = { maxDowntimeMs: 250, maxIterations: 30, guardianPatienceMs: 3_600_000 } as const;
export interface Opened {
  readonly plan: MigrationPlan;
  readonly work: Work<MigrateProgress>;
  readonly criu: Located;
  /** Of the migration, for good. */
  readonly id: string;
  /** performance.now(). */
  readonly begun: number;
  readonly link: Link;
  /** For pages that are left behind, when they may be. */
  readonly left: LeftConnection | undefined;
  readonly sender: PageSender;
  readonly streams: ChosenStreams;
  readonly tracking: ChosenTracking;
  /** Where the kernel tracks writes, and there are iterations. */
  readonly preDumps: PreDumps | undefined;
  readonly throttle: Throttle | undefined;
}

export function iterationsOf({ mode, maxIterations }: MigrateOptions): number {
  if (mode === 'post-copy') return 0;
  return maxIterations ?? (mode === 'hybrid' ? 1 : DEFAULTS.maxIterations);
}

/** Whether pages may stay behind. */
export function mayLeave({ mode, whenDiverging, dryRun }: MigrateOptions): boolean {
  return dryRun !== true && (mode === 'post-copy' || mode === 'hybrid' || whenDiverging === 'lazy');
}
