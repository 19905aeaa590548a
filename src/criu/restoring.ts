// How a restore runs: look at the images, wait for their pids, let CRIU work, adopt the root; and what to make of a failure.

import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { pidfdOpen, waitExit } from '../addon/children.js';
import type { Fd } from '../addon/fd.js';
import { CheckpointError } from '../errors/checkpoint-error.js';
import type { Diagnosis } from '../errors/diagnosis.js';
import { holdsCheckpoint, openDirectory } from '../images/staging.js';
import { verifyImages } from '../images/verify.js';
import { writeConfigFile } from '../rpc/config-file.js';
import { criuDied } from '../rpc/failure.js';
import type { Answer, Notification, Notify } from '../rpc/session.js';
import { openSwrk } from '../rpc/swrk.js';
import type { CriuOpts } from '../schema/rpc.js';
import { feed } from './arriving.js';
import { freed, waitingFor } from './free-pids.js';
import type { BegunLazily, LazyRequest } from './lazy/begin.js';
import type { Filling } from './lazy/options.js';
import { locate } from './locate.js';
import type { Work } from './operation.js';
import { type Remnants, watchRemnants } from './remnants.js';
import type { RestorePlan, RestoreProgress } from './restore-plan.js';
import { adoptTree, type Tree } from './tree.js';

const PHASES: Partial<Record<Notification['kind'], RestoreProgress['phase']>> = {
  'setup-namespaces': 'namespaces',
  'pre-restore': 'restoring',
  'post-restore': 'resuming',
};

// Where CRIU writes its statistics, in its working directory.
const RESTORE_STATS = 'stats-restore';

// Numbers inside CRIU from which on inherited fds are placed: above its own and the control socket.
const FIRST_INHERITED = 16;

export async function runRestore(plan: RestorePlan, work: Work<RestoreProgress>): Promise<Tree> {
  const begun = performance.now();
  const { asked = Number(process.hrtime.bigint()) } = plan;
  const enter = (phase: RestoreProgress['phase']): void => work.emit({ phase, elapsedMs: performance.now() - begun });
  enter('starting');
  if (work.signal.aborted) throw aborted(plan, work.signal);
  const located = locate({ criu: plan.criu });
  const holding = holdsCheckpoint(plan.imagesDir);
  const { path } = await located;
  if (!(await holding)) throw noCheckpoint(plan.imagesDir);
  const workDir = resolve(plan.options.workDir ?? plan.imagesDir);
  using images = await openDirectory(plan.imagesDir);
  using directory = await openDirectory(workDir);
  const inherited = (plan.options.inheritFd ?? []).map(({ fd, key }, i) => ({ fd, key, as: FIRST_INHERITED + i }));
  const shellJob = plan.options.shellJob === true;
  const { defaultConfig } = plan.encode({ images_dir_fd: images.number, work_dir_fd: directory.number });
  // Before anything is known of the images: CRIU loads its libraries while we look, and asks for nothing yet.
  await using session = openSwrk({
    criu: path,
    inherit: inherited,
    defaultConfig,
    keepAnswers: true,
    shellJob,
    ...(shellJob ? { stdin: 0 } : {}),
  });
  plan.onCriu?.(session.pid);
  await using beginning = lazily(plan, { images, workDir, asked });
  const look = async (): Promise<Remnants> => watchRemnants(await verifyImages(plan.imagesDir, images, work.signal));
  const tasks = plan.arriving === undefined ? await verifyImages(plan.imagesDir, images, work.signal) : undefined;
  const lazy = await beginning.done;
  const encoded = plan.encode({ images_dir_fd: images.number, work_dir_fd: (lazy?.workDir ?? directory).number });
  await using config = await writeConfigFile(encoded);
  const logFile = plan.options.logFile ?? 'restore.log';
  const opts = { ...encoded.opts, ...ours(inherited, config.path), log_file: logFile };
  const seen = watch(plan, enter);
  const signal = AbortSignal.any([work.signal, seen.rootEnded, ...(lazy === undefined ? [] : [lazy.lost])]);
  const freeing = tasks === undefined ? undefined : freed(tasks, work.signal);
  const notify = waitingFor(freeing, (notification, held) => {
    // Whoever is to decide lies a round trip away.
    if (notification.kind === 'post-restore' && plan.arriving !== undefined) lazy?.begin();
    return seen.notify(notification, held);
  });
  const answering = session.exchange({ kind: 'RESTORE', opts }, { notify, signal, graceMs: GRACE_MS });
  // It is heard below; should it fail before, nobody listens yet.
  answering.catch(() => {});
  plan.arriving?.asked?.();
  const remnants = await (freeing ?? feed(plan.arriving, { look, answering }));
  const answer = await answering.catch(async (error: unknown) => {
    throw (work.signal.aborted ? undefined : await lazy?.failure()) ?? error;
  });
  seen.stop();
  await lazy?.keep([logFile, RESTORE_STATS]);
  if (answer.kind === 'served' && !work.signal.aborted) {
    const tree = adoptTree({ pid: answer.pid, child: opts.rst_sibling === true, terminal: seen.terminal() });
    return lazy === undefined ? tree : withFilling(tree, lazy.handOver());
  }
  seen.terminal()?.close();
  if (answer.kind !== 'served') await remnants?.clear(seen.rootPid());
  const rootEnded = seen.rootEnded.aborted;
  if (!work.signal.aborted && answer.kind !== 'served') {
    const failure = await lazy?.failure();
    if (failure !== undefined) throw failure;
  }
  throw await failed({ plan, answer, work, logFile: join(workDir, logFile), stderr: session.stderr(), rootEnded });
}

interface Inherited {
  readonly key: string;
  readonly as: number;
}

/** What no option says. */
function ours(inherited: readonly Inherited[], config: string | undefined): Omit<CriuOpts, 'images_dir_fd'> {
  return {
    notify_scripts: true,
    ...(inherited.length === 0 ? {} : { inherit_fd: inherited.map(({ key, as }) => ({ key, fd: as })) }),
    ...(config === undefined ? {} : { config_file: config }),
  };
}

interface Beginning extends AsyncDisposable {
  readonly done: Promise<BegunLazily | undefined>;
}

// Loaded when the first lazy restore is asked for.
function lazily(
  { lazy: options, imagesDir, named = imagesDir, pages }: RestorePlan,
  given: Omit<LazyRequest, 'options' | 'imagesDir' | 'pages'>,
): Beginning {
  const done =
    options === undefined
      ? Promise.resolve(undefined)
      : import('./lazy/begin.js').then(({ beginLazily }) =>
          beginLazily({ options, imagesDir: named, pages, ...given }),
        );
  // Whoever goes on without it has a failure of his own.
  const settled = done.catch(() => undefined);
  return { done, [Symbol.asyncDispose]: async () => (await settled)?.[Symbol.asyncDispose]() };
}

// Not by a spread, which would ask for `exited`, and so keep the program running.
function withFilling(tree: Tree, filling: Filling): Tree {
  return Object.defineProperty(tree, 'filling', { value: filling, enumerable: true });
}

// After an abort, how long CRIU may take to end what it has made. It may wait for a task that has ended: see watch().
const GRACE_MS = 5_000;

interface Watched {
  readonly notify: Notify;
  readonly terminal: () => Fd | undefined;
  readonly rootPid: () => number | undefined;
  /** Aborted when the root ends before CRIU has answered. */
  readonly rootEnded: AbortSignal;
  stop(): void;
}

// A terminal's master goes to the caller's notify if there is one, which then owns it; else into the Tree.
//
// With rst_sibling the root is our child, not CRIU's: when somebody kills it in the middle, CRIU is not told and waits for it for
// ever. So from the moment that it has a pid we watch it, too.
function watch({ notify }: RestorePlan, enter: (phase: RestoreProgress['phase']) => void): Watched {
  let terminal: Fd | undefined;
  let rootPid: number | undefined;
  let root: Disposable | undefined;
  const ended = new AbortController();
  return {
    notify: async (notification, held) => {
      const phase = PHASES[notification.kind];
      if (phase !== undefined) enter(phase);
      if (notification.kind === 'setup-namespaces' || notification.kind === 'post-restore') {
        rootPid = notification.pid;
        root ??= onEnd(rootPid, () => ended.abort(new Error('the root task ended while it was being restored')));
      }
      if (notification.kind === 'orphan-pts-master' && notify === undefined) terminal = notification.fd;
      return (await notify?.(notification, held)) ?? { kind: 'proceed' };
    },
    terminal: () => terminal,
    rootPid: () => rootPid,
    rootEnded: ended.signal,
    stop: () => root?.[Symbol.dispose](),
  };
}

// In a pid namespace other than ours the number means nothing here: then nobody is watched.
function onEnd(pid: number, ended: () => void): Disposable | undefined {
  try {
    using pidfd = pidfdOpen(pid);
    const job = waitExit(pidfd);
    job.unref();
    job.done.then(ended, () => {});
    return { [Symbol.dispose]: () => job.cancel() };
  } catch {
    return undefined;
  }
}

/** CRIU's last line of a restore that it has ended itself (cr-restore.c). */
const GAVE_UP = 'Restoring FAILED';

interface FailedRestore {
  readonly plan: RestorePlan;
  readonly answer: Answer<'RESTORE'>;
  readonly work: Work<RestoreProgress>;
  readonly logFile: string;
  readonly stderr: string;
  readonly rootEnded: boolean;
}

async function failed({ plan, answer, work, logFile, stderr, rootEnded }: FailedRestore): Promise<unknown> {
  const imagesDir = plan.named ?? plan.imagesDir;
  if (answer.kind === 'served') {
    // The abort came when it ran already: it ends all the same, and as our child it is reaped.
    const tree = adoptTree({ pid: answer.pid, child: plan.options.restoreSibling !== false, terminal: undefined });
    await tree.kill();
    await tree.exited;
  }
  if (work.signal.aborted) return aborted(plan, work.signal);
  const log = await readFile(logFile, 'utf8').catch(() => '');
  // A root that could not be restored ends by itself, and CRIU knows why; of one that was killed it may never hear.
  if (rootEnded && !log.includes(GAVE_UP)) return rootDied(imagesDir, logFile);
  if (answer.kind === 'hung-up')
    return criuDied(answer, { request: 'RESTORE', imagesDir, ...(await heard(log, logFile)) });
  const { refused } = await import('../errors/refused.js');
  return refused('restore', {
    imagesDir,
    log,
    logFile,
    stderr,
    answer: answer.kind === 'refused' ? answer : undefined,
  });
}

interface Heard {
  readonly logFile: string;
  readonly causes: readonly Diagnosis[];
}

// The last thing that a CRIU that crashed has logged is often why.
async function heard(log: string, logFile: string): Promise<Heard> {
  const { explain } = await import('../errors/explain.js');
  return { logFile, causes: explain(log).causes };
}

function rootDied(imagesDir: string, logFile: string): CheckpointError<'RESTORE_REFUSED'> {
  const message = `Cannot restore "${imagesDir}": its root task was killed while it was being restored. Find out by whom, and restore again`;
  return new CheckpointError('RESTORE_REFUSED', message, { imagesDir, logFile, causes: [], logExcerpt: [] });
}

function aborted(
  { imagesDir: path, named: imagesDir = path }: RestorePlan,
  signal: AbortSignal,
): CheckpointError<'ABORTED'> {
  const message = `Cannot finish the restore of "${imagesDir}": the caller aborted it. No task of the tree is left`;
  return new CheckpointError('ABORTED', message, { imagesDir }, { cause: signal.reason });
}

function noCheckpoint(imagesDir: string): CheckpointError<'IMAGES_CORRUPT'> {
  const message = `Cannot restore "${imagesDir}": it holds no whole checkpoint (inventory.img is missing). Name the images directory of a dump that ended well`;
  return new CheckpointError('IMAGES_CORRUPT', message, { imagesDir, path: join(imagesDir, 'inventory.img') });
}
