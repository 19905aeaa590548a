// The last part of a migration: the final dump, the commit, and what it has to leave behind.

import { treeOf } from '../../pages/estimate.js';
import type { SourceChannel } from '../wire/connect.js';
import type { RestoreNeeds } from '../wire/messages.js';
import type { Outcome } from './commit.js';
import { openDecision } from './decision.js';
import { openFence } from './fence.js';
import { filled } from './fill.js';
import { type FinalDump, finalDump } from './final-dump.js';
import { startGuardian } from './guarded.js';
import { isReady } from './iterate.js';
import type { LeftBehind } from './left-behind.js';
import { count } from './measure.js';
import type { Opened } from './opened.js';
import type { IterationReport, LeftReport, MigrateOptions } from './options.js';
import type { Dumping } from './vessel.js';

export interface Final {
  readonly dump: FinalDump;
  readonly outcome: Extract<Outcome, { kind: 'moved' }>;
  readonly report: IterationReport;
  /** Of pages that were left behind. */
  readonly fill: LeftReport | undefined;
}

/** Rejects with what has failed, when the tree runs on here; with LEFT_LOST when the copy was lost afterwards. */
export async function runFinal(
  run: Opened,
  iterations: readonly IterationReport[],
  left: LeftBehind | undefined,
): Promise<Final> {
  const { plan, link, sender, tracking } = run;
  const start = sender.counters();
  const number = iterations.length;
  const fence = openFence(await treeOf(plan.pid));
  const guardian = startGuardian();
  const decision = openDecision({ run, left, fence, guardian, forget: () => forget });
  let forget: readonly string[] | undefined;
  const dumpedBy = async (by: Dumping | undefined): Promise<FinalDump> => {
    forget = by?.forget;
    await link.channel.send({ type: 'level', number, final: needsOf(plan.options, by), lacking: left !== undefined });
    return finalDump({ ...dumpPlanOf(run, { number, left, by }), decide: decision.decide });
  };
  const dumping = plan.vessel === undefined ? dumpedBy(undefined) : plan.vessel.dump(dumpedBy);
  const dump = await dumping.catch(async (error: unknown) => {
    guardian.release();
    await link.channel.send({ type: 'abort' });
    throw error;
  });
  const { outcome } = decision;
  if (outcome?.kind !== 'moved') {
    // CRIU has let the tasks go: now they may run.
    fence.lift();
    guardian.release();
    throw outcome?.kind === 'stayed' ? outcome.failure : undefined;
  }
  // A CRIU that died at the very end has let them go, too; they are stopped.
  if (!dump.killed) fence.kill();
  const ms = outcome.at.running - dump.at.frozen;
  const counted = { number, ms, lookMs: ms, start, end: sender.counters(), tracking: tracking.kind };
  const fill = await filled(run, { left, commit: decision.commit, outcome }).finally(() => guardian.release());
  await plan.vessel?.forget();
  await farewell(fill?.channel ?? outcome.channel);
  return {
    dump,
    outcome,
    fill: fill?.report,
    report: { ...count(counted, iterations.at(-1)), predictedDowntimeMs: ms, leastDowntimeMs: ms },
  };
}

interface Step {
  readonly number: number;
  readonly left: LeftBehind | undefined;
  readonly by: Dumping | undefined;
}

function dumpPlanOf({ plan, work, criu, link, sender, preDumps, throttle }: Opened, { number, left, by }: Step) {
  const { pid, options, vessel } = plan;
  return {
    pid,
    criu: criu.path,
    options: options.dump ?? {},
    unlock: options.networkSwitch !== undefined,
    sender,
    level: number,
    ground: preDumps?.ground,
    channel: link.channel,
    signal: work.signal,
    beforeFreeze: () => throttle?.lift(),
    ...(left === undefined ? {} : { left, ready: () => isReady(link.channel, work.signal) }),
    ...(by === undefined ? {} : { by }),
    ...(vessel === undefined ? {} : { also: () => vessel.catchUp(link.channel), makesLinks: vessel.makesLinks }),
  };
}

async function farewell(channel: SourceChannel): Promise<void> {
  await channel.send({ type: 'done' });
  void channel.close();
}

function needsOf({ dump = {} }: MigrateOptions, by: Dumping | undefined): RestoreNeeds {
  return {
    descriptors: by?.descriptors,
    tcpEstablished: dump.tcpEstablished === true,
    fileLocks: dump.fileLocks === true,
    extUnixSk: dump.extUnixSk === true,
    shellJob: dump.shellJob === true,
  };
}
