// The final dump: CRIU's pages go through our end of its page socket straight to the streams, its image files to a tmpfs without a name
// and from there to the control stream, all while the tree is frozen; then CRIU is held at post-dump until it is known where the tree
// lives. Nothing is stored here, unless pages are to be left behind: then all of them go into that tmpfs.

import { join } from 'node:path';
import type { Fd } from '../../addon/fd.js';
import type { PageSender } from '../../addon/page-streams.js';
import { captureFailed } from '../../criu/capture-failed.js';
import { LOG_LEVEL, NO_FDS } from '../../criu/dump.js';
import { chooseNetworkLock } from '../../criu/network-lock.js';
import { unlockNetwork } from '../../criu/unlock-network.js';
import { namesItsLog } from '../../errors/checkpoint-error.js';
import { Held } from '../../images/held.js';
import { openScratch } from '../../images/scratch.js';
import { openDirectory } from '../../images/staging.js';
import { readDumpStats } from '../../images/stats.js';
import { encodeOptions } from '../../options/request.js';
import type { DumpOptions } from '../../options/types.js';
import { writeConfigFile } from '../../rpc/config-file.js';
import type { Answer } from '../../rpc/session.js';
import type { CriuOpts } from '../../schema/rpc.js';
import type { SourceChannel } from '../wire/connect.js';
import { type Ground, type OpenGround, openGround } from './ground.js';
import { type Hold, holding, type Reception } from './hold.js';
import type { LeftBehind, Taking } from './left-behind.js';
import type { Dumping } from './vessel.js';

export interface FinalDumpPlan {
  readonly pid: number;
  /** Path of the program. */
  readonly criu: string;
  readonly options: DumpOptions;
  readonly sender: PageSender;
  /** Its number. */
  readonly level: number;
  /** That of the pre-dumps below it. */
  readonly ground: Ground | undefined;
  /** Where pages stay until the copy asks for them. Default: they are sent. */
  readonly left?: LeftBehind;
  readonly channel: SourceChannel;
  readonly signal: AbortSignal;
  /** Whether the locks on the connections of a tree that was killed are to go, because their address has gone, too. */
  readonly unlock: boolean;
  /** Whose CRIU does it. Default: our own. */
  readonly by?: Dumping;
  /** Awaited before the tree is frozen. */
  readonly ready?: () => Promise<void>;
  /** Sends what else belongs to this moment, while the tree is frozen; beside CRIU's own work, where CRIU says that it has begun. */
  readonly also?: () => Promise<void>;
  /** CRIU makes files beside those of the tree while it dumps (link_remap), so that what also() has to send is whole only afterwards. */
  readonly makesLinks?: boolean;
  /** CRIU is about to stop the tree, and has not looked at its cgroups. */
  readonly beforeFreeze?: () => void;
  /** All of the tree is sent; CRIU holds it. Says whether it is to be killed. */
  readonly decide: () => Promise<'kill' | 'resume'>;
}

export interface FinalDump {
  /** Moments, as of performance.now(). */
  readonly at: { readonly frozen: number; readonly dumped: number; readonly sent: number };
  /** Until all tasks stood still; absent when CRIU did not live to say it. */
  readonly freezeMs: number | undefined;
  /** Whether CRIU said that it killed the tree. Told to resume it, it says no. */
  readonly killed: boolean;
}

const LOG_FILE = 'dump.log';

/**
 * Rejects as dump() does when it fails before decide() was asked; then the tree runs on. An abort is heard until then.
 */
export async function finalDump(plan: FinalDumpPlan): Promise<FinalDump> {
  const { pid, level, by } = plan;
  // What a runtime has asked for is in its request.
  const options = by === undefined ? plan.options : {};
  const networkLock = by === undefined ? await chooseNetworkLock({ pid, ...options }) : undefined;
  await using scratch = await openScratch('migrate');
  const workDir = scratch.path;
  using work = await openDirectory(workDir);
  const { defaultConfig } = encodeOptions('dump', options, NO_FDS);
  const open = by?.open ?? (() => openGround({ ...plan, defaultConfig, first: level, opts: {} }));
  await using opened = new Held();
  const ground = plan.ground ?? (await openOwn(open, plan.left ?? opened));
  const images = await ground.folder(level);
  using directory = await openDirectory(images, 'itself');
  using parent = await ground.below(level);
  const fds = { images_dir_fd: directory.number, work_dir_fd: work.number };
  const encoded = encodeOptions('dump', { ...options, logLevel: LOG_LEVEL, ...(networkLock && { networkLock }) }, fds);
  await using config = await writeConfigFile(encoded);
  const { session } = ground;
  await using pages = take(plan, ground.pages(), { directory, parent });
  const received = pages.done.catch((error: unknown) => ({ error }));
  await plan.ready?.();
  const hold = holding({ ...plan, images, received });
  const opts = { ...encoded.opts, ...ground.opts(level), pid, notify_scripts: true, log_file: LOG_FILE };
  const answer = await session.exchange(
    { kind: 'DUMP', opts: config.path === undefined ? opts : { ...opts, config_file: config.path } },
    { notify: hold.notify, signal: hold.signal },
  );
  const locked = { plan, method: opts.network_lock, workDir, images };
  if (answer.kind === 'hung-up' && !hold.decided) await unlock(locked);
  if (answer.kind !== 'served') pages.cancel();
  if (!hold.decided) {
    // Nobody is to be heard on the control stream behind the end of it; nobody may be listening there.
    if (hold.signal.aborted) plan.channel.destroy();
    await hold.followed().catch(() => {});
    const failure = await failed({ plan, answer, reception: await received, workDir, stderr: session.stderr() }, hold);
    if (namesItsLog(failure)) await scratch.keep();
    throw failure;
  }
  if (answer.kind === 'served' && plan.unlock) await unlock(locked);
  return { at: hold.at, freezeMs: await freezingOf(workDir), killed: answer.kind === 'served' };
}

const US_PER_MS = 1000;

async function freezingOf(workDir: string): Promise<number | undefined> {
  const stats = await readDumpStats(workDir).catch(() => undefined);
  return stats === undefined ? undefined : stats.freezing_time / US_PER_MS;
}

/** What is left behind lies in its folder, and outlives the dump. */
async function openOwn(open: () => Promise<OpenGround>, owner: Pick<Held, 'defer'>): Promise<Ground> {
  const own = await open();
  owner.defer(async () => {
    await own[Symbol.asyncDispose]();
  });
  return own;
}

interface Folders {
  readonly directory: Fd;
  readonly parent: Fd | undefined;
}

function take({ sender, left }: FinalDumpPlan, socket: Fd, { directory, parent }: Folders): Taking {
  if (left === undefined) return sender.serve(socket, parent === undefined ? {} : { parent });
  left.begin(directory, parent);
  return left.take(socket);
}

interface Failed {
  readonly plan: FinalDumpPlan;
  readonly answer: Answer<'DUMP'>;
  readonly reception: Reception;
  readonly workDir: string;
  readonly stderr: string;
}

async function failed(
  { plan, answer, reception, workDir, stderr }: Failed,
  { failure, signal }: Hold,
): Promise<unknown> {
  if (failure !== undefined && !signal.aborted) return failure;
  const { pid } = plan;
  return captureFailed({
    plan: { verb: 'dump', pid, logFile: LOG_FILE },
    imagesDir: workDir,
    workDir,
    signal,
    answer,
    reception,
    stderr,
  });
}

// A CRIU that died lets go of the tasks, but not of their connections.
async function unlock({ plan: { pid, criu, by }, method, workDir, images }: Locked): Promise<void> {
  await unlockNetwork({
    pid,
    criu,
    method,
    logFile: join(workDir, LOG_FILE),
    images,
    committed: false,
    ...(by === undefined ? {} : { namespace: by.network }),
  });
}

interface Locked {
  readonly plan: FinalDumpPlan;
  readonly method: CriuOpts['network_lock'];
  readonly workDir: string;
  readonly images: string;
}
