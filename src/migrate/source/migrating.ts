// A migration at its source, from the first connection to the word that the tree runs elsewhere.

import { randomBytes } from 'node:crypto';
import type { Fd } from '../../addon/fd.js';
import { openPageSender } from '../../addon/page-streams.js';
import { locate } from '../../criu/locate.js';
import type { Work } from '../../criu/operation.js';
import { assertOutside } from '../../criu/outside.js';
import { CheckpointError } from '../../errors/checkpoint-error.js';
import { estimateTree } from '../../pages/estimate.js';
import { openPace } from '../pace.js';
import { connectControl, connectPages } from '../wire/connect.js';
import { type LeftConnection, openLeft } from '../wire/left.js';
import { runFinal } from './final.js';
import { expectMessage, introduce } from './introduce.js';
import { type Iterated, iterate } from './iterate.js';
import { prepareFolder } from './keep.js';
import { openLeftBehind } from './left-behind.js';
import { DEFAULTS, iterationsOf, type MigrationPlan, mayLeave, type Opened } from './opened.js';
import type { MigrateProgress, MigrateReport } from './options.js';
import { deltaOf, packingOf } from './packing.js';
import { openPreDumps } from './pre-dumps.js';
import { reportOf } from './report.js';
import { measureShape } from './shape.js';
import { chooseStreams } from './streams.js';
import { scanTasksOf } from './tasks.js';
import { openThrottle } from './throttle.js';
import { chooseTracking } from './tracking.js';

export async function runMigration(plan: MigrationPlan, work: Work<MigrateProgress>): Promise<MigrateReport> {
  const begun = performance.now();
  const { pid, options, to, security } = plan;
  work.emit({ phase: 'connecting', elapsedMs: 0 });
  const criu = await locate({ criu: options.criu });
  const expected = await estimateTree(pid);
  if (expected.pids.length === 0)
    throw new CheckpointError('NO_SUCH_PROCESS', `Cannot migrate process ${pid}: it does not exist`, { pid });
  await assertOutside(pid, 'migrate');
  if (options.rescueTo !== undefined) await prepareFolder(options.rescueTo);
  const tracking = await chooseTracking(options, mayLeave(options) && iterationsOf(options) > 0);
  await using throttle = options.throttle === undefined ? undefined : await openThrottle(pid);
  const id = randomBytes(16).toString('hex');
  const link = await connectControl({ to, security, signal: work.signal });
  const streams: Fd[] = [];
  try {
    const chosen = await chooseStreams(options, link);
    const { count } = chosen;
    const introduction = { plan, id, criu, link, streams: count, ...expected, signal: work.signal };
    const { session, codecs, rootThere } = await introduce(introduction);
    // Side by side: they are accepted when all are there.
    const opening = Array.from({ length: count + (mayLeave(options) ? 1 : 0) }, (_, i) =>
      connectPages({ to, security, signal: work.signal }, session, i),
    );
    for (const opened of await Promise.allSettled(opening))
      if (opened.status === 'fulfilled') streams.push(opened.value);
    await Promise.all(opening);
    await expectMessage(link.channel, 'streams');
    const tracked = tracking.kind === 'soft-dirty' && iterationsOf(options) > 0;
    const [leftStream] = streams.splice(count);
    await using left = leftStream && openLeft(leftStream, link.leftKeys(), 'source');
    const keys = streams.map((_, i) => link.keyOf(i)).filter((key) => key !== undefined);
    using sender = openPageSender({
      streams,
      // What the kernel says was written need not be compared.
      digests: iterationsOf(options) > 0 && !tracked,
      ...packingOf(options, codecs),
      ...deltaOf(options, expected.bytes),
      ...(keys.length === 0 ? {} : { keys }),
    });
    if (options.dryRun !== true) await plan.vessel?.move(link.channel, rootThere);
    await using preDumps = tracked
      ? await openPreDumps({ pid, criu: criu.path, options: options.dump ?? {}, sender })
      : undefined;
    return await move({
      plan,
      work,
      criu,
      id,
      begun,
      link,
      left,
      sender,
      streams: chosen,
      tracking,
      preDumps,
      throttle,
    });
  } finally {
    for (const stream of streams) stream.close();
    void link.channel.close();
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
  await plan.vessel?.catchUp(link.channel);
  work.emit({ phase: 'final', elapsedMs: performance.now() - begun });
  await using left = leaves(run, iterated) ? openLeftBehind(run.left) : undefined;
  return reportOf(run, iterated, await runFinal(run, iterated?.iterations ?? [], left));
}

/** Whether the pages that the destination does not have are to stay behind. */
function leaves(run: Opened, iterated: Iterated | undefined): run is Opened & { readonly left: LeftConnection } {
  const { mode } = run.plan.options;
  const wanted = mode === 'post-copy' || mode === 'hybrid' || iterated?.verdict.kind === 'lazy';
  return wanted && run.left !== undefined;
}

async function runIterations({
  plan,
  work,
  begun,
  criu,
  link,
  sender,
  tracking,
  preDumps,
  throttle,
}: Opened): Promise<Iterated> {
  const { mode, maxDowntimeMs, maxTotalMs, maxBytes, whenDiverging, dryRun } = plan.options;
  const policy = {
    maxDowntimeMs: maxDowntimeMs ?? DEFAULTS.maxDowntimeMs,
    // One says how large the tree is, the second how fast it changes.
    maxIterations: dryRun === true ? 2 : iterationsOf(plan.options),
    maxTotalMs: maxTotalMs ?? Number.POSITIVE_INFINITY,
    maxBytes: maxBytes ?? Number.POSITIVE_INFINITY,
    whenDiverging: mode === 'hybrid' ? 'lazy' : (whenDiverging ?? 'give-up'),
    maxThrottle: throttle === undefined ? 0 : (plan.options.throttle?.max ?? 0),
  } as const;
  const pace = openPace(criu.path, work.signal);
  // Before there is anything else to do.
  await pace();
  return iterate({
    sender,
    throttle,
    tracking: tracking.kind,
    look: async (number) => {
      if (preDumps !== undefined) return (await preDumps.send(number, work.signal)).frozenMs;
      await sender.scan(await scanTasksOf(plan.pid), { signal: work.signal }).done;
      await sender.finish({ signal: work.signal }).done;
      return undefined;
    },
    probe: async () => ({ paceMs: await pace(), ...(await measureShape(plan.pid)) }),
    channel: link.channel,
    roundTripMs: link.roundTripMs,
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

function gaveUp({ pid }: MigrationPlan, { verdict, iterations }: Iterated): CheckpointError<'NOT_CONVERGING'> {
  const why = verdict.kind === 'give-up' ? verdict.why : 'diverging';
  const { predictedDowntimeMs } = verdict;
  const message = `Cannot migrate process ${pid}: it does not converge (${why} after ${iterations.length} iterations; predicted downtime ${Math.round(predictedDowntimeMs)} ms). The tree runs on here. Allow more downtime, or pass whenDiverging: 'stop' or 'lazy'`;
  return new CheckpointError('NOT_CONVERGING', message, {
    pid,
    why,
    iterations: iterations.length,
    predictedDowntimeMs,
  });
}
