/**
 * One run of a checkpoint of Podman's container into an archive: an engine of its own, a container in it, one command under the meter. Then the
 * archive is taken apart by GNU tar, its bytes are compared with what the tree had said, and the tree that runs on is asked.
 */
import { mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { meter } from './host/meter.js';
import { openPodman } from './host/podman.js';
import { Target } from './host/target.js';
import { unpack } from './host/unpack.js';
import { verifyAnswers, verifyImages } from './host/verify.js';
import { archiveIn } from './peers/archive.js';
import type { ContainerExportJob, ContainerExportPeer } from './peers/peer.js';
import { RunFailure, type RunJob, type RunOutcome } from './run.js';

/** Throws RunFailure or WrongBytes for what the peer did wrong; anything else is the harness's own trouble. */
export async function runContainerExport(peer: ContainerExportPeer, job: RunJob): Promise<RunOutcome> {
  const { scenario, folders, seed, tools, host, signal } = job;
  job.enter('filling');
  const [folder, shared] = [join(folders.control, 'podman'), join(folders.control, 'shared')];
  for (const each of [folder, shared]) await mkdir(each);
  await using podman = await openPodman({ folder, shared, criu: host.criuPath, program: tools.target });
  const { launch, signals } = podman;
  const fifo = join(shared, 'fifo');
  await using target = await Target.start({ program: tools.target, fifo, scenario, seed, signal, launch, signals });
  const places = { imagesDir: folders.images, workDir: folders.control };
  const asked: ContainerExportJob = { ...job, ...places, pid: target.pid, podman, id: await podman.id() };
  job.enter('measuring');
  const { argv, env } = peer.command(asked);
  const cost = await meter({ run: tools.run, command: argv, env, workDir: folders.control, signal });
  if (cost.exit !== 0) {
    const log = cost.stderr.split('\n').slice(-LAST_LINES).join('\n');
    throw new RunFailure(`${peer.name} exited with ${cost.exit}`, { log });
  }
  job.enter('verifying');
  const { size } = await stat(archiveIn(asked));
  const check = await verifyImages(tools.verify, await unpack(asked), target.arenas);
  verifyAnswers(target.arenas, await target.ask(signal), 'in the container that runs on');
  return {
    figures: { wall: cost.wallUs, cpu: cost.cpuUs, peakMemory: cost.peakBytes, bytesWritten: size },
    verified: { kind: 'images', ...check, restored: false },
  };
}

const LAST_LINES = 12;
