// What dump and pre-dump share: the way of the pages from CRIU's socket to an images directory. docs/design/ground-floor.md section 1
// has the picture, section 2 the states that a failure leaves.
//
// The order matters in one place. A tree that is about to be killed must not die before its images are whole, so everything is
// written and moved while CRIU is held at post-dump. A tree that runs on must not wait for a disk, so all that is done after it runs.

import { mkdir, realpath } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { openPageSink, type PageSink, type SinkReception } from '../addon/page-sink.js';
import { CheckpointError } from '../errors/checkpoint-error.js';
import { openParent } from '../images/parent.js';
import { holdsCheckpoint, openStaging, type Staging } from '../images/staging.js';
import type { EncodedOptions } from '../options/request.js';
import { availableMemory, estimateTree } from '../pages/estimate.js';
import { type Absorb, chooseStore, hasRoom, mebibytes, type StoreChoice, type StoreFacts } from '../pages/store.js';
import type { Answer, Notify, Verdict } from '../rpc/session.js';
import type { CriuOpts } from '../schema/rpc.js';
import type { FailedCapture } from './capture-failed.js';
import { finishing, openGate } from './finish.js';
import { type Located, locate } from './locate.js';
import type { Work } from './operation.js';
import { assertOutside } from './outside.js';
import { connectPages, PAGES_FD, type PageConnecting, type PageConnection } from './page-connection.js';
import { type CaptureProgress, trackCapture } from './progress.js';

export interface CapturePlan {
  readonly verb: 'dump' | 'pre-dump';
  readonly pid: number;
  readonly imagesDir: string;
  /** Whether a checkpoint that is already there may be replaced. */
  readonly replace: boolean;
  readonly workDir: string | undefined;
  readonly logFile: string;
  readonly parent: string | undefined;
  readonly absorb: Absorb;
  /** The tasks run on when CRIU has answered. */
  readonly runsOn: boolean;
  readonly autoDedup: boolean;
  /** The checkpoint is on the disk before the verb is done. */
  readonly sync: boolean;
  readonly criu: string | undefined;
  readonly encode: (own: { readonly images_dir_fd: number; readonly work_dir_fd: number }) => EncodedOptions;
  readonly notify: Notify | undefined;
  /** Who opens the conversation. Default: with a CRIU of our own. */
  readonly connect?: ((connecting: PageConnecting) => Promise<PageConnection>) | undefined;
}

export interface Captured {
  readonly criu: Located;
  readonly imagesDir: string;
  readonly workDir: string;
  readonly store: StoreChoice;
  readonly sink: PageSink;
  readonly reception: SinkReception;
  readonly wallMs: number;
}

// One more than processors, so that copying gets its share beside CRIU and the tree's parasite; more than four are not fed by one CRIU.
// Measured on two processors, 1 GiB, medians of 12: one thread 0.31 s frozen, two 0.25 s, three 0.22 s.
const COPYING_THREADS = Math.min(4, availableParallelism() + 1);

export async function capture(plan: CapturePlan, work: Work<CaptureProgress>): Promise<Captured> {
  const from = performance.now();
  assertNotAborted(plan, work.signal);
  const [criu, expected] = await Promise.all([locate({ criu: plan.criu }), estimateTree(plan.pid)]);
  if (expected.pids.length === 0) throw noSuchProcess(plan);
  await assertOutside(plan.pid, plan.verb);
  const imagesDir = await makeDirectory(resolve(plan.imagesDir), 'images directory');
  await assertReplaceable(imagesDir, plan.replace);
  const workDir = plan.workDir === undefined ? imagesDir : await makeDirectory(resolve(plan.workDir), 'work directory');

  await using staging = await openStaging(imagesDir);
  await using connection = await (plan.connect ?? connectPages)({
    criu: criu.path,
    workDir,
    images: staging.images,
    encode: plan.encode,
  });
  const { sink, store } = await openSink({ plan, imagesDir, staging, expectedBytes: expected.bytes, work });
  using held = sink;
  const tracker = trackCapture(work, held, expected.bytes);
  try {
    const reception = await converse({
      plan,
      criu,
      imagesDir,
      workDir,
      staging,
      connection,
      sink,
      tracker,
      signal: work.signal,
    });
    if (plan.autoDedup) await dedup(sink);
    return { criu, imagesDir, workDir, store, sink, reception, wallMs: performance.now() - from };
  } finally {
    tracker.stop();
  }
}

interface Conversation {
  readonly plan: CapturePlan;
  readonly criu: Located;
  readonly imagesDir: string;
  readonly workDir: string;
  readonly staging: Staging;
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
    logFile: join(c.workDir, c.plan.logFile),
    images: `/proc/self/fd/${c.staging.images.number}`,
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
function requestOf({ plan, imagesDir, connection }: Conversation): CriuOpts {
  const { encoded, config } = connection;
  return {
    ...encoded.opts,
    pid: plan.pid,
    ps: { fd: PAGES_FD },
    notify_scripts: true,
    log_file: plan.logFile,
    ...(plan.parent === undefined ? {} : { parent_img: join(imagesDir, plan.parent) }),
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
  { plan, imagesDir, workDir, signal, left }: Conversation,
  answer: Answer<'DUMP' | 'SINGLE_PRE_DUMP'>,
  reception: SinkReception | { readonly error: unknown },
  stderr: string,
): FailedCapture {
  return { plan, imagesDir, workDir, signal, left, answer, reception, stderr };
}

// The choice of the store may turn out not to be possible; then the other one does, only with a longer freeze.
async function openSink(opening: SinkOpening): Promise<{ readonly sink: PageSink; readonly store: StoreChoice }> {
  const { plan, expectedBytes, work } = opening;
  const { absorb, runsOn: leaveRunning } = plan;
  const facts = { absorb, leaveRunning, expectedBytes, availableBytes: await availableMemory() };
  const store = chooseStore(facts);
  if (store.kind === 'memory' && !hasRoom(facts)) throw noRoom(plan, facts);
  const sink = await newSink(opening, store.kind);
  if (store.kind === 'directory') return { sink, store };
  try {
    await sink.prepare(expectedBytes, { signal: work.signal }).done;
    return { sink, store };
  } catch (error) {
    // At once: it may have taken most of the memory.
    sink[Symbol.dispose]();
    if (absorb === 'always' || !CheckpointError.is(error, 'IO')) throw error;
    const why = `memory to absorb the pages could not be had (${error.detail.errno ?? 'unknown'})`;
    return { sink: await newSink(opening, 'directory'), store: { kind: 'directory', why } };
  }
}

function noRoom({ verb, pid }: CapturePlan, { expectedBytes, availableBytes }: StoreFacts): CheckpointError<'IO'> {
  const sizes = `${mebibytes(expectedBytes)} of pages, ${mebibytes(availableBytes)} of memory are available`;
  const message = `Cannot ${verb} process ${pid} with absorb: 'always': ${sizes}. Pass absorb: 'auto'`;
  return new CheckpointError('IO', message, { syscall: 'madvise', errno: 'ENOMEM' });
}

interface SinkOpening {
  readonly plan: CapturePlan;
  readonly imagesDir: string;
  readonly staging: Staging;
  readonly expectedBytes: number;
  readonly work: Work<CaptureProgress>;
}

async function newSink({ plan, imagesDir, staging }: SinkOpening, store: StoreChoice['kind']): Promise<PageSink> {
  const options = { directory: staging.pages, store, workers: COPYING_THREADS, firstPagesId: 1 };
  if (plan.parent === undefined) return openPageSink(options);
  using parent = await openParent(imagesDir, plan.parent);
  return openPageSink({ ...options, parent });
}

// Returns what it really is: a link that is turned elsewhere meanwhile would tear the images apart.
async function makeDirectory(path: string, what: string): Promise<string> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
    return await realpath(path);
  } catch (cause) {
    const { code: errno = 'unknown', syscall = 'mkdir' } = cause as NodeJS.ErrnoException;
    throw new CheckpointError('IO', `Cannot make the ${what} "${path}": ${errno}`, { path, syscall, errno }, { cause });
  }
}

async function assertReplaceable(imagesDir: string, replace: boolean): Promise<void> {
  if (replace || !(await holdsCheckpoint(imagesDir))) return;
  const message = `Cannot dump into "${imagesDir}": it already holds a checkpoint. Choose another directory, or pass replace: true`;
  throw new CheckpointError('IMAGES_EXIST', message, { imagesDir });
}

function noSuchProcess({ verb, pid }: CapturePlan): CheckpointError<'NO_SUCH_PROCESS'> {
  return new CheckpointError('NO_SUCH_PROCESS', `Cannot ${verb} process ${pid}: it does not exist`, { pid });
}

function assertNotAborted({ verb, pid }: CapturePlan, signal: AbortSignal): void {
  if (!signal.aborted) return;
  const message = `Cannot ${verb} process ${pid}: the caller aborted it`;
  throw new CheckpointError('ABORTED', message, { pid }, { cause: signal.reason });
}
