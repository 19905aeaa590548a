/** Carries out the plan: runs in their order, cells filled as they come, a failed peer set aside while the others go on. */
import { CheckpointError } from '../errors/checkpoint-error.js';
import { runContainerExport } from './container-export-run.js';
import { runContainerMigrate } from './container-migrate-run.js';
import { runContainer } from './container-run.js';
import { runDump } from './dump-run.js';
import { runFiles } from './files-run.js';
import { WrongBytes } from './host/verify.js';
import type { Workspace } from './host/workspace.js';
import { runMigrate } from './migrate-run.js';
import type { Cell, CellFailure, Run, Scenario } from './model.js';
import type { PresentPeer } from './peers/choose.js';
import type { Context, Peer } from './peers/peer.js';
import { type Planned, planRuns } from './plan.js';
import type { RunPhase } from './progress.js';
import { formatFigure } from './report/metrics.js';
import type { BenchUi } from './request.js';
import { runRestore } from './restore-run.js';
import { RunFailure, type RunJob, type RunOutcome } from './run.js';
import { runServer } from './server-run.js';
import { runSlope } from './slope-run.js';
import { runVersion } from './version-run.js';

export interface Measurement {
  readonly scenario: Scenario;
  readonly peers: readonly PresentPeer[];
  readonly context: Context;
  readonly workspace: Workspace;
  readonly runs: number;
  readonly warmups: number;
  readonly seed: number;
  readonly ui: BenchUi;
  readonly signal: AbortSignal | undefined;
}

interface Draft {
  readonly of: PresentPeer;
  readonly runs: Run[];
  failure: CellFailure | undefined;
}

export async function measureCells(measurement: Measurement): Promise<readonly Cell[]> {
  const { scenario, peers, runs, warmups } = measurement;
  const drafts: readonly Draft[] = peers.map((of) => ({ of, runs: [], failure: undefined }));
  const plan = planRuns(peers.length, runs, warmups);
  const began = performance.now();
  for (const [finished, planned] of plan.entries()) {
    const draft = drafts[planned.peer];
    if (draft === undefined || draft.failure !== undefined) continue;
    const enter = announce(measurement, { planned, draft, finished, total: plan.length });
    const startedAtMs = Math.round(performance.now() - began);
    const outcome = await attempt(measurement, draft.of, planned, enter);
    if ('reason' in outcome) draft.failure = outcome;
    else draft.runs.push({ index: planned.index, warmup: planned.warmup, startedAtMs, ...outcome });
    enter('reason' in outcome ? 'failed' : 'done', 'reason' in outcome ? outcome.reason : summary(outcome));
  }
  return drafts.map(({ of: { peer, version }, runs: done, failure }) => ({
    scenario,
    peer: peer.name,
    peerTitle: peer.title,
    peerVersion: version,
    runs: done,
    ...(failure === undefined ? {} : { failure }),
  }));
}

interface Place {
  readonly planned: Planned;
  readonly draft: Draft;
  readonly finished: number;
  readonly total: number;
}

type Enter = (phase: RunPhase, detail?: string) => void;

function announce({ ui, scenario, runs, warmups }: Measurement, { planned, draft, finished, total }: Place): Enter {
  return (phase, detail) =>
    ui.report({
      kind: 'run',
      peer: draft.of.peer.name,
      scenario: scenario.name,
      warmup: planned.warmup,
      run: planned.index + 1,
      runs: planned.warmup ? warmups : runs,
      phase,
      finished: phase === 'done' || phase === 'failed' ? finished + 1 : finished,
      planned: total,
      ...(detail === undefined ? {} : { detail }),
    });
}

function summary({ figures: { first, answer, downtime, frozen, wall, session, exchange } }: RunOutcome): string {
  const named = {
    'first instruction': first,
    'first answer': answer,
    downtime,
    frozen,
    wall,
    session,
    'round trip': exchange,
  };
  const parts = Object.entries(named).flatMap(([name, us]) =>
    us === undefined ? [] : [`${name} ${formatFigure(us, 'us')}`],
  );
  return parts.join(', ');
}

async function attempt(
  measurement: Measurement,
  { peer }: PresentPeer,
  planned: Planned,
  enter: Enter,
): Promise<RunOutcome | CellFailure> {
  const { scenario, context, workspace, seed, signal } = measurement;
  const folders = await workspace.open();
  const job: RunJob = { ...context, scenario, folders, seed, restore: planned.restore, enter, signal };
  try {
    return await carryOut(peer, job);
  } catch (reason) {
    signal?.throwIfAborted();
    return asFailure(reason, planned);
  } finally {
    await folders.remove();
  }
}

function carryOut(peer: Peer, job: RunJob): Promise<RunOutcome> {
  switch (peer.group) {
    case 'version':
      return runVersion(peer, job);
    case 'restore':
      return restoreOf(job.scenario)(peer, job);
    case 'container':
      return runContainer(peer, job);
    case 'migrate':
      return runMigrate(peer, job);
    case 'container-export':
      return runContainerExport(peer, job);
    case 'container-migrate':
      return runContainerMigrate(peer, job);
    case 'directory':
    case 'decode':
    case 'search':
      return runFiles(peer, job);
    default:
      return runDump(peer, job);
  }
}

function restoreOf({ program, sizeShares }: Scenario): typeof runRestore {
  if (program !== undefined) return runServer;
  return sizeShares === undefined ? runRestore : runSlope;
}

// Environment troubles end the benchmark; what a peer did wrong ends only its cell.
function asFailure(reason: unknown, { index }: Planned): CellFailure {
  if (reason instanceof RunFailure)
    return { run: index, reason: reason.message, ...(reason.log === undefined ? {} : { log: reason.log }) };
  if (reason instanceof WrongBytes) return { run: index, reason: `WRONG BYTES: ${reason.message}` };
  if (CheckpointError.is(reason, 'TIMEOUT') || CheckpointError.is(reason, 'IMAGES_CORRUPT'))
    return { run: index, reason: reason.message };
  throw reason;
}
