/**
 * One run of a runtime: a container with the target in it, one command of the runtime under the meter, and then what the command was for is
 * looked at: the image files against what the tree had said, the tree itself, the state that the runtime tells.
 */
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readDumpStats } from '../images/stats.js';
import { locateRuntime } from '../runtime/locate.js';
import { type BenchContainer, openContainer } from './host/container.js';
import { type Cost, meter } from './host/meter.js';
import { Target } from './host/target.js';
import { verifyAnswers, verifyImages } from './host/verify.js';
import type { Figures, Verification } from './model.js';
import type { ContainerJob, ContainerPeer } from './peers/peer.js';
import { RunFailure, type RunJob, type RunOutcome } from './run.js';

/** Throws RunFailure or WrongBytes for what the peer did wrong; anything else is the harness's own trouble. */
export async function runContainer(peer: ContainerPeer, job: RunJob): Promise<RunOutcome> {
  const { scenario, folders, seed, tools, host, signal } = job;
  const runc = await locateRuntime({ name: 'runc', env: process.env });
  const folder = join(folders.control, 'container');
  await mkdir(folder);
  const id = `frazil-bench-${process.pid}`;
  await using container = await openContainer({
    ...{ folder, shared: folder, runc, criu: host.criuPath, id },
    host: [],
    files: 'of-the-host',
  });
  job.enter('filling');
  const fifo = join(folder, 'fifo');
  const launch = container.launch;
  await using target = await Target.start({ program: tools.target, fifo, scenario, seed, signal, launch });
  const asked: ContainerJob = {
    ...job,
    runc,
    pid: target.pid,
    imagesDir: folders.images,
    workDir: folders.control,
    id,
    root: container.root,
  };
  job.enter('measuring');
  const cost = await measure(peer, asked, container);
  const looked = scenario.repeats === 1 ? await ofCheckpoint(asked, target) : await ofState(container);
  const figures = { wall: cost.wallUs, cpu: cost.cpuUs, peakMemory: cost.peakBytes, ...looked.figures };
  verifyAnswers(target.arenas, await target.ask(signal), 'in the container that runs on');
  return { figures, verified: looked.verified };
}

async function measure(peer: ContainerPeer, job: ContainerJob, { env }: BenchContainer): Promise<Cost> {
  const { tools, workDir, signal } = job;
  const cost = await meter({ run: tools.run, command: peer.command(job), env, workDir, signal });
  if (cost.exit === 0) return cost;
  const log = await readFile(join(workDir, 'dump.log'), 'utf8').catch(() => '');
  const lines = [...log.split('\n').filter((line) => line.includes('Error')), ...cost.stderr.split('\n')];
  throw new RunFailure(`${peer.name} exited with ${cost.exit}`, { log: lines.slice(-LAST_LINES).join('\n') });
}

const LAST_LINES = 12;

interface Looked {
  readonly figures: Figures;
  readonly verified: Verification;
}

async function ofCheckpoint({ workDir, imagesDir, tools, enter }: ContainerJob, target: Target): Promise<Looked> {
  const times = await readDumpStats(workDir);
  enter('verifying');
  const check = await verifyImages(tools.verify, imagesDir, target.arenas);
  return {
    figures: { frozen: times.frozen_time, freezing: times.freezing_time },
    verified: { kind: 'images', ...check, restored: false },
  };
}

async function ofState(container: BenchContainer): Promise<Looked> {
  const answer = await container.status();
  if (answer !== 'running') throw new RunFailure(`the container is ${answer} after the runs of state`);
  return { figures: {}, verified: { kind: 'answer', answer } };
}
