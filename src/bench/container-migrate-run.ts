/**
 * One run of a container's migration: a migration's two hosts and link, a container of runc with files, pids and a network of its own at the
 * source, one command that moves it. Then the tree in it says for how long it did not run and what its memory is, its runtime that it
 * is there and not here, and its files are compared.
 */
import { execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { locateRuntime } from '../runtime/locate.js';
import { type BenchContainer, openContainer } from './host/container.js';
import { type Hosts, openHosts } from './host/hosts.js';
import { Target } from './host/target.js';
import { move, mover, outcomeOf, PLAIN_LINK } from './migrate-run.js';
import type { ContainerMigrateJob, ContainerMigratePeer } from './peers/peer.js';
import { RunFailure, type RunJob, type RunOutcome } from './run.js';

/** Throws RunFailure or WrongBytes for what the peer did wrong; anything else is the harness's own trouble. */
export async function runContainerMigrate(peer: ContainerMigratePeer, job: RunJob): Promise<RunOutcome> {
  const { scenario, folders, seed, tools, signal } = job;
  job.enter('filling');
  await using hosts = await openHosts(scenario.link ?? PLAIN_LINK, tools);
  const [shared, imagesDir, copyDir] = await makeFolders(folders.control, folders.images);
  const runc = await locateRuntime({ name: 'runc', env: process.env });
  await using here = await placeOn(hosts, 'source', { job, shared, runc });
  await using there = await placeOn(hosts, 'destination', { job, shared, runc });
  const { launch, signals } = here;
  const fifo = join(shared, 'fifo');
  await using target = await Target.start({ program: tools.target, fifo, scenario, seed, signal, launch, signals });
  const places = { here, there, runc, imagesDir, copyDir, workDir: folders.control };
  const asked: ContainerMigrateJob = { ...job, ...places, hosts, pid: target.pid };
  // From here on it counts for how long it does not run.
  await target.ask(signal);
  job.enter('measuring');
  const moved = await move(mover(peer, asked), asked, here.env);
  target.moved(there.signals);
  job.enter('verifying');
  const outcome = await outcomeOf(peer, target, { moved, signal });
  await verifyPlaces(here, there);
  return outcome;
}

async function makeFolders(control: string, images: string): Promise<readonly [string, string, string]> {
  const folders = [join(control, 'shared'), join(images, 'source'), join(images, 'destination')] as const;
  for (const folder of folders) await mkdir(folder);
  return folders;
}

interface Placing {
  readonly job: RunJob;
  readonly shared: string;
  readonly runc: string;
}

// Of different names: both hosts have the cgroups of one machine.
async function placeOn(
  hosts: Hosts,
  side: 'source' | 'destination',
  { job, shared, runc }: Placing,
): Promise<BenchContainer> {
  const folder = join(job.folders.control, `container-${side}`);
  await mkdir(folder);
  const id = `frazil-bench-${process.pid}-${side}`;
  return openContainer({
    ...{ folder, shared, runc, id },
    criu: job.host.criuPath,
    host: hosts[side],
    files: 'own',
  });
}

async function verifyPlaces(here: BenchContainer, there: BenchContainer): Promise<void> {
  const said = [await here.status(), await there.status()];
  if (said[0] !== undefined || said[1] !== 'running')
    throw new RunFailure(`runc says ${said[0] ?? 'nothing'} of the container here, and ${said[1] ?? 'nothing'} there`);
  const roots = [here, there].map(({ bundle }) => join(bundle, 'rootfs'));
  await promisify(execFile)('diff', ['-r', '--no-dereference', ...roots]).catch((cause: unknown) => {
    throw new RunFailure('the files of the container are not those that it had', { cause });
  });
}
