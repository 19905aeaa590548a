// What dumps and pre-dumps share: the way of the pages from CRIU's socket to their place, an images directory or an archive.
// docs/design/ground-floor.md section 1 has the picture, section 2 the states that a failure leaves.
//
// The order matters in one place. A tree that is about to be killed must not die before its images are whole, so everything is
// written and moved while CRIU is held at post-dump. A tree that runs on must not wait for a disk, so all that is done after it runs.

import { join } from 'node:path';
import type { PageSink, SinkReception } from '../addon/page-sink.js';
import { CheckpointError } from '../errors/checkpoint-error.js';
import type { EncodedOptions } from '../options/request.js';
import { estimateTree } from '../pages/estimate.js';
import type { Absorb, StoreChoice } from '../pages/store.js';
import type { Answer, Notify, Verdict } from '../rpc/session.js';
import type { CriuOpts } from '../schema/rpc.js';
import type { FailedCapture } from './capture-failed.js';
import type { CapturePlace } from './capture-place.js';
import { chooseSink } from './choose-sink.js';
import { finishing, openGate } from './finish.js';
import { type Located, locate } from './locate.js';
import type { Work } from './operation.js';
import { assertOutside } from './outside.js';
import { connectPages, PAGES_FD, type PageConnecting, type PageConnection } from './page-connection.js';
import { type CaptureProgress, trackCapture } from './progress.js';

export interface CapturePlan {
  readonly verb: 'dump' | 'pre-dump';
  readonly pid: number;
  readonly open: (criu: Located) => Promise<CapturePlace>;
  readonly logFile: string;
  readonly parent: string | undefined;
  readonly absorb: Absorb;
  /** The tasks run on when CRIU has answered. */
  readonly runsOn: boolean;
  readonly autoDedup: boolean;
  readonly criu: string | undefined;
  readonly encode: (own: { readonly images_dir_fd: number; readonly work_dir_fd: number }) => EncodedOptions;
  readonly notify: Notify | undefined;
  /** Who opens the conversation. Default: with a CRIU of our own. */
  readonly connect?: ((connecting: PageConnecting) => Promise<PageConnection>) | undefined;
}

export interface Captured {
  readonly criu: Located;
  readonly place: CapturePlace;
  readonly store: StoreChoice;
  readonly sink: PageSink;
  readonly reception: SinkReception;
  readonly wallMs: number;
}

/** `look` sees the outcome before the place is closed. */
export async function capture<T>(
  plan: CapturePlan,
  work: Work<CaptureProgress>,
  look: (captured: Captured) => Promise<T>,
): Promise<T> {
  const from = performance.now();
  assertNotAborted(plan, work.signal);
  const [criu, expected] = await Promise.all([locate({ criu: plan.criu }), estimateTree(plan.pid)]);
  if (expected.pids.length === 0) throw noSuchProcess(plan);
  await assertOutside(plan.pid, plan.verb);
  await using place = await plan.open(criu);
  const { workDir, images } = place;
  await using connection = await (plan.connect ?? connectPages)({
    criu: criu.path,
    workDir,
    images,
    encode: plan.encode,
  });
  const { sink, store } = await chooseSink({ plan, place, expectedBytes: expected.bytes, signal: work.signal });
  using held = sink;
  const tracker = trackCapture(work, held, expected.bytes);
  try {
    const reception = await converse({ plan, criu, place, connection, sink, tracker, signal: work.signal });
    if (plan.autoDedup) await dedup(sink);
    return await look({ criu, place, store, sink, reception, wallMs: performance.now() - from });
  } finally {
    tracker.stop();
  }
}

interface Conversation {
  readonly plan: CapturePlan;
  readonly criu: Located;
  readonly place: CapturePlace;
  readonly connection: PageConnection;
  readonly sink: PageSink;
  readonly tracker: ReturnType<typeof trackCapture>;
  readonly signal: AbortSignal;
  /** What a CRIU that died has left of its locks, as sentences. */
  readonly left?: string | undefined;
}

async function converse(c: Conversation): Promise<SinkReception> {
  const { plan, sink, connection } = c;
  const { session } = connection;
  using gate = openGate(c.signal);
  // Both end before the session does, and before the folders that they write to are removed.
  await using pages = sink.serve(connection.pages, { signal: gate.signal });
  await using finish = finishing(c, gate);
  const received = pages.done.catch((error: unknown) => ({ error }));

  const notify: Notify = async (notification, held) => {
    if (notification.kind === 'pre-dump') c.tracker.enter('freezing');
    if (notification.kind !== 'post-dump' || plan.runsOn) return (await plan.notify?.(notification, held)) ?? PROCEED;
    // CRIU has its answer to CLOSE before our thread has put its tools away.
    if (isFailure(await received)) return REFUSE;
    await finish.settle();
    const verdict = (await plan.notify?.(notification, held)) ?? PROCEED;
    return verdict.kind === 'proceed' && !(await finish.commit()) ? REFUSE : verdict;
  };
  const opts = requestOf(c);
  const answer = await session.exchange(
    { kind: plan.verb === 'dump' ? 'DUMP' : 'SINGLE_PRE_DUMP', opts },
    { notify, signal: gate.signal },
  );
  // CRIU may have died, or been aborted, in the middle of a verdict.
  if (answer.kind !== 'served') await finish[Symbol.asyncDispose]();
  // First of all: the tree runs, with connections that do not work.
  const left = answer.kind === 'hung-up' ? await unlock(c, opts, finish.committed) : undefined;
  if (answer.kind !== 'served') pages.cancel();
  const reception = await received;
  await assertCaptured({ ...c, signal: gate.signal, left }, answer, reception, session.stderr());
  if (!finish.committed) {
    await finish.settle();
    // An abort in between: captureFailed() says so.
    if (!(await finish.commit())) throw await failure(failedOf({ ...c, signal: gate.signal }, answer, reception, ''));
  }
  return 'error' in reception ? {} : reception;
}

// A pre-dump locks nothing.
async function unlock(c: Conversation, opts: CriuOpts, committed: boolean): Promise<string | undefined> {
  if (c.plan.verb !== 'dump') return undefined;
  const { unlockNetwork } = await import('./unlock-network.js');
  return unlockNetwork({
    pid: c.plan.pid,
    criu: c.criu.path,
    method: opts.network_lock,
    logFile: join(c.place.workDir, c.plan.logFile),
    images: `/proc/self/fd/${c.place.images.number}`,
    committed,
  });
}

// The checkpoint is whole. A parent that cannot be punched (its file system has no holes, it was removed meanwhile) only takes more
// room than it could.
async function dedup(sink: PageSink): Promise<void> {
  await sink.dedup().done.catch(() => {});
}

function isFailure(reception: SinkReception | { readonly error: unknown }): boolean {
  return 'error' in reception || reception.failure !== undefined;
}

const PROCEED: Verdict = { kind: 'proceed' };
const REFUSE: Verdict = { kind: 'refuse' };

// CRIU resolves the parent from where it writes, which is not where the images will lie: it gets the absolute path, the link in the
// images directory the relative one.
function requestOf({ plan, place, connection }: Conversation): CriuOpts {
  const { encoded, config } = connection;
  return {
    ...encoded.opts,
    pid: plan.pid,
    ps: { fd: PAGES_FD },
    notify_scripts: true,
    log_file: plan.logFile,
    ...(plan.parent === undefined ? {} : { parent_img: join(place.path, plan.parent) }),
    ...(config === undefined ? {} : { config_file: config }),
  };
}

async function assertCaptured(
  c: Conversation,
  answer: Answer<'DUMP' | 'SINGLE_PRE_DUMP'>,
  reception: SinkReception | { readonly error: unknown },
  stderr: string,
): Promise<void> {
  if (answer.kind === 'served' && !isFailure(reception)) return;
  throw await failure(failedOf(c, answer, reception, stderr));
}

// The rules that explain a log are loaded when there is one to explain.
async function failure(failed: FailedCapture): Promise<unknown> {
  const { captureFailed } = await import('./capture-failed.js');
  return captureFailed(failed);
}

function failedOf(
  { plan, place, signal, left }: Conversation,
  answer: Answer<'DUMP' | 'SINGLE_PRE_DUMP'>,
  reception: SinkReception | { readonly error: unknown },
  stderr: string,
): FailedCapture {
  return { plan, imagesDir: place.path, workDir: place.workDir, signal, left, answer, reception, stderr };
}

function noSuchProcess({ verb, pid }: CapturePlan): CheckpointError<'NO_SUCH_PROCESS'> {
  return new CheckpointError('NO_SUCH_PROCESS', `Cannot ${verb} process ${pid}: it does not exist`, { pid });
}

function assertNotAborted({ verb, pid }: CapturePlan, signal: AbortSignal): void {
  if (!signal.aborted) return;
  const message = `Cannot ${verb} process ${pid}: the caller aborted it`;
  throw new CheckpointError('ABORTED', message, { pid }, { cause: signal.reason });
}
