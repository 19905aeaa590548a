// A container as one archive: its processes by its runtime's checkpoint, its bundle, what it has changed in its root filesystem. It stands
// still from the dump until all of that is in the archive, so that memory and files belong together; and only then is it gone, if it is
// to be: whatever fails before, it runs on.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { type CreateCall, type CreateOptions, createArchive } from '../../archive/create/call.js';
import type { CreateProgress, CreateReport } from '../../archive/create/create.js';
import type { Addition } from '../../archive/create/profile-members.js';
import { writeStruct } from '../../archive/metadata/files.js';
import { CONFIG_DUMP_FILE, SPEC_DUMP_FILE } from '../../archive/metadata/names.js';
import { CONTAINER_CONFIG } from '../../archive/metadata/types.js';
import { overlayAt } from '../../archive/tree/overlay.js';
import type { CaptureReport } from '../../criu/capture-report.js';
import { type Operation, operation, type Work } from '../../criu/operation.js';
import type { CaptureProgress } from '../../criu/progress.js';
import { CheckpointError } from '../../errors/checkpoint-error.js';
import { type FindCall, type FoundContainer, findContainer } from '../find/find.js';
import { checkpointOperations } from '../operations.js';
import type { CheckpointOptions } from '../options.js';
import { thawInImages } from './thaw.js';

type RuntimeOptions = Omit<
  CheckpointOptions,
  'imagesDirectory' | 'workDirectory' | 'parentImage' | 'preDump' | 'pageServer' | 'lazyPages' | 'statusFd' | 'signal'
>;

export interface ContainerArchiveCall
  extends FindCall,
    RuntimeOptions,
    Omit<CreateOptions, 'rootfs' | 'workDir'>,
    Pick<CreateCall, 'to'> {
  /** The overlay that its root is, as createArchive() takes it; or `none`. Default: its root, where that is an overlay. */
  readonly rootfs?: string;
}

export type ContainerArchiveProgress = CaptureProgress | CreateProgress;

export interface ContainerArchiveReport extends Pick<FoundContainer, 'id' | 'runtime' | 'root' | 'engine'> {
  readonly capture?: CaptureReport;
  readonly archive: CreateReport;
  /** Whether the archive has rootfs-diff.tar; when not although nobody refused it, `withoutRootfs` says why. */
  readonly rootfs: boolean;
  readonly withoutRootfs?: string;
  /** From the pause until it ran on or was gone. */
  readonly stoodStillMs: number;
}

/**
 * Rejects as findContainer(), checkpoint() and createArchive() do; then the container runs on, and there is no archive. Afterwards it is
 * gone, with its state in the runtime, unless `leaveRunning`.
 */
export function checkpointContainer(
  id: string,
  call: ContainerArchiveCall,
): Operation<ContainerArchiveProgress, ContainerArchiveReport> {
  return operation(call.signal, async (work) => {
    const found = await findContainer(id, call);
    checkpointOperations(found.operations);
    const folder = await scratchBeside(call.to);
    try {
      return await checkpointStill({ found, call, folder }, work);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
}

interface Checkpointing {
  readonly found: FoundContainer;
  readonly call: ContainerArchiveCall;
  /** For images and what else goes into the archive. */
  readonly folder: string;
}

// Images may be large: they lie where the archive will.
async function scratchBeside(to: CreateCall['to']): Promise<string> {
  const place = typeof to === 'string' ? dirname(resolve(to)) : tmpdir();
  return mkdtemp(join(place, '.frazil-container-')).catch((cause: NodeJS.ErrnoException) => {
    const message = `Cannot make a folder in "${place}": ${cause.code ?? 'unknown'}`;
    throw new CheckpointError('IO', message, { path: place, errno: cause.code ?? 'unknown' }, { cause });
  });
}

async function checkpointStill(
  asked: Checkpointing,
  work: Work<ContainerArchiveProgress>,
): Promise<ContainerArchiveReport> {
  const { found, call } = asked;
  const { id, operations, state } = found;
  const begun = performance.now();
  const paused = state.status === 'running';
  if (paused) await operations.pause(id);
  let stays = true;
  try {
    const report = await intoArchive(asked, work);
    if (call.leaveRunning !== true) {
      await end(found);
      stays = false;
    }
    return { ...report, stoodStillMs: performance.now() - begun };
  } finally {
    if (paused && stays) await operations.resume(id);
  }
}

async function intoArchive(
  { found, call, folder }: Checkpointing,
  work: Work<ContainerArchiveProgress>,
): Promise<Omit<ContainerArchiveReport, 'stoodStillMs'>> {
  const { id, runtime, root, engine } = found;
  const imagesDirectory = join(folder, 'images');
  const options = { ...runtimeOptions(call), imagesDirectory, leaveRunning: true, signal: work.signal };
  const { capture } = await passOn(checkpointOperations(found.operations).checkpoint(id, options), work);
  if (found.state.status === 'running') await thawInImages(imagesDirectory);
  const diff = await rootfsOf(found, call);
  const shm = found.mounts.find(({ destination, type }) => destination === '/dev/shm' && type === 'bind')?.source;
  const making = createArchive(imagesDirectory, {
    ...archiveOptions(call),
    ...(diff.path !== undefined && { rootfs: diff.path }),
    ...(shm !== undefined && call.shm === undefined && { shm }),
    members: await membersOf({ found, call, folder }),
    to: call.to,
    signal: work.signal,
  });
  const archive = await passOn(making, work);
  return {
    id,
    runtime,
    root,
    ...(engine !== undefined && { engine }),
    ...(capture !== undefined && { capture }),
    archive,
    rootfs: diff.path !== undefined,
    ...(diff.why !== undefined && { withoutRootfs: diff.why }),
  };
}

async function passOn<R>(
  run: Operation<ContainerArchiveProgress, R>,
  work: Work<ContainerArchiveProgress>,
): Promise<R> {
  for await (const progress of run) work.emit(progress);
  return run.done;
}

interface Diff {
  readonly path?: string;
  readonly why?: string;
}

// That a root is no overlay is usual with plain bundles; where one was named, it is an error.
async function rootfsOf({ rootfs }: FoundContainer, { rootfs: named }: ContainerArchiveCall): Promise<Diff> {
  if (named === 'none') return {};
  try {
    const path = named ?? rootfs;
    await overlayAt(path);
    return { path };
  } catch (error) {
    if (named !== undefined || !CheckpointError.is(error, 'IO')) throw error;
    return { why: error.message };
  }
}

// Those that the caller gives are the engine's own; Podman imports none but its own config.dump.
async function membersOf({ found, call, folder }: Checkpointing): Promise<readonly Addition[]> {
  const given = call.members ?? [];
  const lacks = (name: string): boolean => !given.some((one) => one.name === name);
  const { id, bundle, state, annotations } = found;
  const config = {
    id,
    name: annotations['io.kubernetes.cri.container-name'] ?? annotations['io.kubernetes.container.name'] ?? id,
    runtime: found.runtime,
    rootfsImageName: annotations['io.kubernetes.cri.image-name'] ?? annotations['io.container.image'] ?? '',
    createdTime: state.created,
    checkpointedTime: new Date().toISOString(),
  };
  const made: Addition[] = [];
  if (lacks(CONFIG_DUMP_FILE))
    made.push({ name: CONFIG_DUMP_FILE, path: await writeStruct(CONTAINER_CONFIG, config, folder, CONFIG_DUMP_FILE) });
  if (lacks(SPEC_DUMP_FILE)) made.push({ name: SPEC_DUMP_FILE, path: join(bundle, 'config.json') });
  return [...made, ...given];
}

// A frozen process dies when it is let go, before its next instruction.
async function end({ id, operations }: FoundContainer): Promise<void> {
  await operations.kill(id, 'KILL');
  // Some runtimes have let it go already.
  await operations.resume(id).catch(() => {});
  await operations.delete(id, { force: true });
}

function runtimeOptions(call: ContainerArchiveCall): RuntimeOptions {
  return pick(call, RUNTIME_OPTIONS);
}

function archiveOptions(call: ContainerArchiveCall): CreateOptions {
  return pick(call, ARCHIVE_OPTIONS);
}

const RUNTIME_OPTIONS = [
  'tcpEstablished',
  'externalUnixConnections',
  'shellJob',
  'fileLocks',
  'manageCgroupsMode',
  'emptyNs',
  'autoDedup',
  'tcpSkipInFlight',
  'linkRemap',
  'networkLock',
] as const satisfies readonly (keyof RuntimeOptions)[];

const ARCHIVE_OPTIONS = [
  'profile',
  'compress',
  'level',
  'threads',
  'volumes',
  'shm',
  'recipients',
  'passphrase',
  'signingKey',
  'digests',
  'index',
  'replace',
  'sync',
] as const satisfies readonly (keyof ContainerArchiveCall)[];

function pick<C extends object, K extends keyof C>(from: C, keys: readonly K[]): Pick<C, K> {
  return Object.fromEntries(keys.filter((key) => from[key] !== undefined).map((key) => [key, from[key]])) as Pick<C, K>;
}
