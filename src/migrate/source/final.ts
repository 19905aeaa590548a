// The last part of a migration: the final dump, the commit, and what it has to leave behind.

import { treeOf } from '../../pages/estimate.js';
import { switchNetwork } from '../network/switch.js';
import { connectControl, type SourceChannel } from '../wire/connect.js';
import type { RestoreNeeds } from '../wire/messages.js';
import { commit, type Outcome } from './commit.js';
import { openFence } from './fence.js';
import { type FinalDump, finalDump } from './final-dump.js';
import { startGuardian } from './guarded.js';
import { count } from './measure.js';
import { DEFAULTS, type Opened } from './opened.js';
import type { IterationReport, MigrateOptions } from './options.js';
import type { Dumping, Vessel } from './vessel.js';

export interface Final {
  readonly dump: FinalDump;
  readonly outcome: Extract<Outcome, { kind: 'moved' }>;
  readonly report: IterationReport;
}

/** Rejects with what has failed, when the tree runs on here. */
export async function runFinal(run: Opened, iterations: readonly IterationReport[]): Promise<Final> {
  const { plan, work, criu, link, sender, begun, id, tracking, preDumps } = run;
  const { pid, options, to } = plan;
  const start = sender.counters();
  const number = iterations.length;
  const fence = openFence(await treeOf(pid));
  const { networkSwitch } = options;
  let left = false;
  let outcome: Outcome | undefined;
  const guardian = startGuardian();
  const decide = async (): Promise<'kill' | 'resume'> => {
    await link.channel.send({ type: 'restore' });
    outcome = await commit({
      id,
      channel: link.channel,
      fence,
      beforeFence: async () => {
        await guardian.charge({
          id,
          to,
          security: plan.security,
          pids: fence.pids,
          patienceMs: options.guardianPatienceMs ?? DEFAULTS.guardianPatienceMs,
          ...(typeof networkSwitch === 'string' ? { networkSwitch } : {}),
          ...(forget === undefined ? {} : { forget }),
        });
        left = true;
        await switchNetwork(networkSwitch, 'leave');
      },
      reconnect: async () => (await connectControl({ to, security: plan.security, signal: NEVER })).channel,
      signal: AbortSignal.any([work.signal, AbortSignal.timeout(RESTORE_MS)]),
      onState: (state, waiting) => {
        const phase = waiting ? 'undecided' : state === 'committing' ? 'committing' : 'restoring';
        work.emit({ phase, elapsedMs: performance.now() - begun });
      },
    });
    if (outcome.kind === 'moved') return 'kill';
    // A tree without its address is better than none: what failed is told instead of a failure to come back.
    if (left) await switchNetwork(networkSwitch, 'return').catch(() => {});
    return 'resume';
  };
  let forget: readonly string[] | undefined;
  const dumpedBy = async (by: Dumping | undefined): Promise<FinalDump> => {
    forget = by?.forget;
    await link.channel.send({ type: 'level', number, final: needsOf(options, by) });
    return finalDump({
      pid,
      criu: criu.path,
      options: options.dump ?? {},
      unlock: networkSwitch !== undefined,
      sender,
      level: number,
      ground: preDumps?.ground,
      channel: link.channel,
      signal: work.signal,
      ...(by === undefined ? {} : { by }),
      ...(plan.vessel === undefined ? {} : { also: () => (plan.vessel as Vessel).catchUp(link.channel) }),
      beforeFreeze: () => run.throttle?.lift(),
      decide,
    });
  };
  const dumping = plan.vessel === undefined ? dumpedBy(undefined) : plan.vessel.dump(dumpedBy);
  const dump = await dumping.catch(async (error: unknown) => {
    guardian.release();
    await link.channel.send({ type: 'abort' });
    throw error;
  });
  if (outcome?.kind !== 'moved') {
    // CRIU has let the tasks go: now they may run.
    fence.lift();
    guardian.release();
    throw outcome?.kind === 'stayed' ? outcome.failure : undefined;
  }
  // A CRIU that died at the very end has let them go, too; they are stopped.
  if (!dump.killed) fence.kill();
  guardian.release();
  await plan.vessel?.forget();
  await farewell(outcome.channel);
  const ms = outcome.at.running - dump.at.frozen;
  return {
    dump,
    outcome,
    report: {
      ...count({ number, ms, lookMs: ms, start, end: sender.counters(), tracking: tracking.kind }, iterations.at(-1)),
      predictedDowntimeMs: ms,
      leastDowntimeMs: ms,
    },
  };
}

// How long the tree may stand still for a restore that does not come to its end, such as one that waits for a lock that the frozen tree
// holds on a file system that both hosts share.
const RESTORE_MS = 60_000;
const NEVER = new AbortController().signal;

async function farewell(channel: SourceChannel): Promise<void> {
  await channel.send({ type: 'done' });
  channel.close();
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
