// A migration at its source, from the first connection to the word that the tree runs elsewhere.

import { randomBytes } from 'node:crypto';
import { readlink } from 'node:fs/promises';
import { arch, release } from 'node:os';
import type { Fd } from '../../addon/fd.js';
import { openPageSender, type PageSender } from '../../addon/page-streams.js';
import { type Located, locate } from '../../criu/locate.js';
import type { Work } from '../../criu/operation.js';
import { assertOutside } from '../../criu/outside.js';
import { CheckpointError } from '../../errors/checkpoint-error.js';
import { estimateTree, treeOf } from '../../pages/estimate.js';
import type { Address } from '../wire/address.js';
import { connectControl, connectPages, type Link, type SourceChannel } from '../wire/connect.js';
import { PROTOCOL_VERSION, type RestoreNeeds } from '../wire/messages.js';
import type { SourceSecurity } from '../wire/security.js';
import { commit, type Outcome } from './commit.js';
import { openFence } from './fence.js';
import { type FinalDump, finalDump } from './final-dump.js';
import { startGuardian } from './guarded.js';
import { type Iterated, iterate, measure } from './iterate.js';
import type { IterationReport, MigrateOptions, MigrateProgress, MigrateReport } from './options.js';

export interface MigrationPlan {
  readonly pid: number;
  readonly to: Address;
  readonly security: SourceSecurity;
  readonly options: MigrateOptions;
}

const DEFAULTS = { streams: 2, maxDowntimeMs: 250, maxIterations: 30 } as const;
// A tree may grow while it moves, and every page of it may travel in every iteration.
const MAX_GROWTH = 64;
const MIN_BYTES = 2 ** 30;

interface Opened {
  readonly plan: MigrationPlan;
  readonly work: Work<MigrateProgress>;
  readonly criu: Located;
  readonly id: string;
  readonly begun: number;
  readonly link: Link;
  readonly sender: PageSender;
}

export async function runMigration(plan: MigrationPlan, work: Work<MigrateProgress>): Promise<MigrateReport> {
  const begun = performance.now();
  const { pid, options, to, security } = plan;
  work.emit({ phase: 'connecting', elapsedMs: 0 });
  const criu = await locate({ criu: options.criu });
  const expected = await estimateTree(pid);
  if (expected.pids.length === 0)
    throw new CheckpointError('NO_SUCH_PROCESS', `Cannot migrate process ${pid}: it does not exist`, { pid });
  await assertOutside(pid, 'migrate');
  const id = randomBytes(16).toString('hex');
  const link = await connectControl({ to, security, signal: work.signal });
  const streams: Fd[] = [];
  try {
    const session = await introduce({ plan, id, criu, link, bytes: expected.bytes, pids: expected.pids });
    // Side by side: they are accepted when all are there.
    const opening = Array.from({ length: streamsOf(options) }, (_, i) =>
      connectPages({ to, security, signal: work.signal }, session, i),
    );
    for (const opened of await Promise.allSettled(opening))
      if (opened.status === 'fulfilled') streams.push(opened.value);
    await Promise.all(opening);
    await expectMessage(link.channel, 'streams');
    const keys = streams.map((_, i) => link.keyOf(i)).filter((key) => key !== undefined);
    using sender = openPageSender({
      streams,
      digests: iterationsOf(options) > 0,
      ...(keys.length === 0 ? {} : { keys }),
    });
    return await move({ plan, work, criu, id, begun, link, sender });
  } finally {
    for (const stream of streams) stream.close();
    link.channel.close();
  }
}

async function move(run: Opened): Promise<MigrateReport> {
  const { plan, work, begun, link } = run;
  const iterated = iterationsOf(plan.options) > 0 ? await runIterations(run) : undefined;
  if (plan.options.dryRun === true) {
    await link.channel.send({ type: 'abort' });
    return reportOf(run, iterated, undefined);
  }
  if (iterated?.verdict.kind === 'give-up') throw gaveUp(plan, iterated);
  work.emit({ phase: 'final', elapsedMs: performance.now() - begun });
  return reportOf(run, iterated, await runFinal(run, iterated?.iterations ?? []));
}

async function runIterations({ plan, work, begun, link, sender }: Opened): Promise<Iterated> {
  const { maxDowntimeMs, maxTotalMs, maxBytes, whenDiverging, dryRun } = plan.options;
  const policy = {
    maxDowntimeMs: maxDowntimeMs ?? DEFAULTS.maxDowntimeMs,
    // One says how large the tree is, the second how fast it changes.
    maxIterations: dryRun === true ? 2 : iterationsOf(plan.options),
    maxTotalMs: maxTotalMs ?? Number.POSITIVE_INFINITY,
    maxBytes: maxBytes ?? Number.POSITIVE_INFINITY,
    whenDiverging: whenDiverging ?? 'give-up',
  } as const;
  return iterate({
    pid: plan.pid,
    sender,
    channel: link.channel,
    policy,
    signal: work.signal,
    begun,
    onIteration: (iterations) =>
      work.emit({
        phase: 'iterating',
        elapsedMs: performance.now() - begun,
        iteration: iterations.length,
        iterations: [...iterations],
        wireBytes: sender.counters().wireBytes,
      }),
  });
}

interface Final {
  readonly dump: FinalDump;
  readonly outcome: Extract<Outcome, { kind: 'moved' }>;
  readonly report: IterationReport;
}

async function runFinal(run: Opened, iterations: readonly IterationReport[]): Promise<Final> {
  const { plan, work, criu, link, sender, begun, id } = run;
  const { pid, options, to } = plan;
  const start = sender.counters();
  const number = iterations.length;
  const fence = openFence(await treeOf(pid));
  let outcome: Outcome | undefined;
  const guardian = startGuardian();
  await link.channel.send({ type: 'level', number });
  const dump = await finalDump({
    pid,
    criu: criu.path,
    options: options.dump ?? {},
    sender,
    channel: link.channel,
    signal: work.signal,
    decide: async () => {
      await link.channel.send({ type: 'restore', needs: needsOf(options) });
      outcome = await commit({
        id,
        channel: link.channel,
        fence,
        beforeFence: () => guardian.charge({ id, to, security: plan.security, pids: fence.pids }),
        reconnect: async () => (await connectControl({ to, security: plan.security, signal: NEVER })).channel,
        signal: AbortSignal.any([work.signal, AbortSignal.timeout(RESTORE_MS)]),
        onState: (state, waiting) => {
          const phase = waiting ? 'undecided' : state === 'committing' ? 'committing' : 'restoring';
          work.emit({ phase, elapsedMs: performance.now() - begun });
        },
      });
      return outcome.kind === 'moved' ? 'kill' : 'resume';
    },
  }).catch(async (error: unknown) => {
    guardian.release();
    await link.channel.send({ type: 'abort' });
    throw error;
  });
  if (outcome?.kind !== 'moved') {
    // CRIU has let the tasks go: now they may run.
    fence.lift();
    guardian.release();
    throw outcome?.failure;
  }
  // A CRIU that died at the very end has let them go, too; they are stopped.
  if (!dump.killed) fence.kill();
  guardian.release();
  await farewell(outcome.channel);
  const ms = outcome.at.running - dump.at.frozen;
  return { dump, outcome, report: measure({ number, ms, start, end: sender.counters() }, iterations.at(-1)) };
}

// How long the tree may stand still for a restore that does not come to its end, such as one that waits for a lock that the frozen tree
// holds on a file system that both hosts share.
const RESTORE_MS = 60_000;
const NEVER = new AbortController().signal;

async function farewell(channel: SourceChannel): Promise<void> {
  await channel.send({ type: 'done' });
  channel.close();
}

interface Introduction {
  readonly plan: MigrationPlan;
  readonly id: string;
  readonly criu: Located;
  readonly link: Link;
  readonly bytes: number;
  readonly pids: readonly number[];
}

/** The session that page streams are for. */
async function introduce({ plan, id, criu, link, bytes, pids }: Introduction): Promise<string> {
  await link.channel.send({
    type: 'hello',
    version: PROTOCOL_VERSION,
    id,
    pid: plan.pid,
    tasks: (await sharesOurPids(plan.pid)) ? pids : [],
    bytes,
    maxBytes: Math.max(MIN_BYTES, bytes) * MAX_GROWTH,
    streams: streamsOf(plan.options),
    kernel: release(),
    machine: arch(),
    criu: criu.path,
  });
  const { session } = await expectMessage(link.channel, 'welcome');
  return session;
}

// A tree in a pid namespace of its own brings it along: its pids are free there.
async function sharesOurPids(pid: number): Promise<boolean> {
  const [ours, theirs] = await Promise.all(['self', pid].map((who) => readlink(`/proc/${who}/ns/pid`).catch(() => '')));
  return ours !== '' && ours === theirs;
}

type Heard = NonNullable<Awaited<ReturnType<SourceChannel['receive']>>>['message'];

async function expectMessage<T extends Heard['type']>(
  channel: SourceChannel,
  type: T,
): Promise<Extract<Heard, { type: T }>> {
  const got = await channel.receive();
  if (got?.message.type === type) return got.message as Extract<Heard, { type: T }>;
  if (got?.message.type === 'gone') throw refusal(got.message);
  const received = got?.message.type ?? 'the end of the connection';
  throw new CheckpointError('PROTOCOL', `Cannot migrate: ${received} came, where "${type}" was expected`, {
    received,
    expected: type,
  });
}

function refusal({ code, message }: Extract<Heard, { type: 'gone' }>): CheckpointError {
  const text = `Cannot migrate: the destination refused: ${message}. The tree runs on here`;
  if (code === 'RESTORE_REFUSED') return new CheckpointError(code, text, { causes: [], logExcerpt: [] });
  return new CheckpointError('PROTOCOL', text, {});
}

function streamsOf({ streams }: MigrateOptions): number {
  return streams ?? DEFAULTS.streams;
}

function iterationsOf({ maxIterations }: MigrateOptions): number {
  return maxIterations ?? DEFAULTS.maxIterations;
}

function needsOf({ dump = {} }: MigrateOptions): RestoreNeeds {
  return {
    tcpEstablished: dump.tcpEstablished === true,
    fileLocks: dump.fileLocks === true,
    extUnixSk: dump.extUnixSk === true,
    shellJob: dump.shellJob === true,
  };
}

function gaveUp({ pid }: MigrationPlan, { verdict, iterations }: Iterated): CheckpointError<'TIMEOUT'> {
  const why = verdict.kind === 'give-up' ? verdict.why : 'stop';
  const predicted = Math.round(verdict.predictedDowntimeMs);
  const message = `Cannot migrate process ${pid}: it does not converge (${why} after ${iterations.length} iterations; predicted downtime ${predicted} ms). The tree runs on here. Allow more downtime, or pass whenDiverging: 'stop'`;
  return new CheckpointError('TIMEOUT', message, { timeoutMs: predicted, waitingFor: 'convergence' });
}

function reportOf(
  { plan, begun, sender }: Opened,
  iterated: Iterated | undefined,
  final: Final | undefined,
): MigrateReport {
  const { wireBytes, cpuNs, stallNs } = sender.counters();
  const at = final?.outcome.at;
  const dumped = final?.dump.at;
  const downtime =
    at === undefined || dumped === undefined
      ? undefined
      : {
          dump: dumped.dumped - dumped.frozen,
          transfer: dumped.sent - dumped.dumped,
          restore: at.prepared - dumped.sent,
          resume: at.running - at.prepared,
        };
  return {
    pid: final?.outcome.pid ?? plan.pid,
    mode: plan.options.dryRun === true ? 'dry-run' : iterated === undefined ? 'cold' : 'pre-copy',
    tracking: 'digest',
    trackingReason: 'pages are compared by their digests',
    iterations: [...(iterated?.iterations ?? []), ...(final === undefined ? [] : [final.report])],
    wireBytes,
    totalMs: performance.now() - begun,
    downtimeMs: at === undefined || dumped === undefined ? undefined : at.running - dumped.frozen,
    predictedDowntimeMs: iterated?.verdict.predictedDowntimeMs ?? 0,
    downtime,
    cpuMs: cpuNs / 1e6,
    stallMs: stallNs / 1e6,
  };
}
