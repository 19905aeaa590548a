/**
 * `frazil bench`: the harness as a function. The command line parses and prints; everything else is here.
 * Beside this file the command line needs `listBench()` and `renderCatalog()` (catalog.ts), `renderTable()` (table.ts), `progressLine()` (progress.ts).
 */
import { CheckpointError } from '../errors/checkpoint-error.js';
import { measureCells } from './cells.js';
import { describeEnvironment, findHost } from './host/environment.js';
import { prepareTools } from './host/tools.js';
import { warmMemory } from './host/warm.js';
import { checkRoom, Workspace } from './host/workspace.js';
import type { AbsentPeer, BenchResult, Scenario } from './model.js';
import { choosePeers, detectPeers, type PresentPeer } from './peers/choose.js';
import type { Context, Peer } from './peers/peer.js';
import { writeReports } from './report/write.js';
import type { BenchRequest, BenchUi } from './request.js';
import { chooseScenario, within } from './scenarios.js';

export type { BenchRequest, BenchUi } from './request.js';

export interface BenchOptions {
  readonly signal?: AbortSignal;
}

const RUNS = 5;
const WARMUPS = 1;
const SEED = 1;

/**
 * Measures every peer of the scenario, interleaved A B A B, each run in fresh processes and verified by digest.
 *
 * Resolves also when a peer failed or delivered wrong bytes: `cells[i].failure` says so and the caller must treat it as a failure (exit code 1).
 * Rejects with `CheckpointError`: ABORTED (signal), CRIU_MISSING, FEATURE_MISSING (no C compiler, none of the peers), NOT_PERMITTED (not root), IO (memory or disk space).
 * In every case the targets are gone and the directories removed when it settles. Unknown names and bad numbers throw TypeError/RangeError synchronously.
 */
export function runBench(request: BenchRequest, ui: BenchUi, { signal }: BenchOptions = {}): Promise<BenchResult> {
  const scenario = chooseScenario(request);
  const plan: BenchPlan = {
    request,
    scenario,
    peers: choosePeers(scenario.group, request.peers),
    runs: within('runs', request.runs ?? RUNS, [1, 10_000]),
    warmups: within('warmups', request.warmups ?? WARMUPS, [0, 1_000]),
    seed: within('seed', request.seed ?? SEED, [0, Number.MAX_SAFE_INTEGER]),
    ui,
    signal,
  };
  return carryOut(plan).catch((reason: unknown) => {
    if (signal?.aborted !== true) throw reason;
    throw new CheckpointError(
      'ABORTED',
      'Cannot finish the benchmark: the caller aborted it',
      {},
      { cause: signal.reason },
    );
  });
}

interface BenchPlan {
  readonly request: BenchRequest;
  readonly scenario: Scenario;
  readonly peers: readonly Peer[];
  readonly runs: number;
  readonly warmups: number;
  readonly seed: number;
  readonly ui: BenchUi;
  readonly signal: AbortSignal | undefined;
}

async function carryOut(plan: BenchPlan): Promise<BenchResult> {
  const { request, scenario, ui, signal, seed } = plan;
  signal?.throwIfAborted();
  requireRoot(scenario);
  ui.report({ kind: 'preparing', step: 'looking for CRIU, the compiler and the peers' });
  const host = await findHost(request.criu);
  const context: Context = { host, tools: await prepareTools({ signal }) };
  const { present, absent } = await detectPeers(plan.peers, context);
  for (const { peer, reason } of absent) ui.report({ kind: 'left-out', peer, reason });
  requirePeer(present, absent);
  await using workspace = await Workspace.create(scenario.destination);
  if (scenario.group !== 'version' && scenario.group !== 'decode') {
    await checkRoom(workspace, scenario);
    ui.report({
      kind: 'preparing',
      step: 'touching memory once, so that the host backs it before anything is measured',
    });
    await warmMemory(context.tools.target, scenario, signal);
  }
  const environment = await describeEnvironment(host, workspace.images);
  const startedAt = new Date().toISOString();
  const cells = await measureCells({ ...plan, context, workspace, peers: present });
  const result: BenchResult = { format: 'frazil-bench/1', startedAt, seed, environment, cells, absent };
  await writeReports(result, request);
  return result;
}

function requirePeer(present: readonly PresentPeer[], absent: readonly AbsentPeer[]): void {
  if (present.length > 0) return;
  const reasons = absent.map(({ peer, reason }) => `${peer}: ${reason}`).join('; ');
  throw new CheckpointError('FEATURE_MISSING', `Cannot run the benchmark: none of its peers is here. ${reasons}`, {
    feature: 'peer',
  });
}

function requireRoot({ group }: Scenario): void {
  if (!['version', 'decode', 'search'].includes(group) && process.geteuid?.() !== 0) {
    throw new CheckpointError(
      'NOT_PERMITTED',
      'Cannot run a dump benchmark: CRIU dumps only for root. Run it with sudo',
      {},
    );
  }
}
