/**
 * One run of a dump: a fresh tree, one command under the meter, the bytes checked, everything removed. The order of the checks is the order of
 * trust: the image files against what the tree said before; the tree itself, if it was left running; the restored tree, once per cell.
 */
import { lstat, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readDumpStats } from '../images/stats.js';
import { type Cost, figuresOf, meter } from './host/meter.js';
import { restoreTree } from './host/restore.js';
import { PAGE_BYTES, Target } from './host/target.js';
import { unpack } from './host/unpack.js';
import { verifyAnswers, verifyImages } from './host/verify.js';
import type { Figures } from './model.js';
import type { DumpJob, DumpPeer } from './peers/peer.js';
import { RunFailure, type RunJob, type RunOutcome } from './run.js';

/** Throws RunFailure or WrongBytes for what the peer did wrong; anything else is the harness's own trouble. */
export async function runDump(peer: DumpPeer, job: RunJob): Promise<RunOutcome> {
  const { scenario, folders, seed, tools, signal } = job;
  job.enter('filling');
  await using target = await Target.start({
    program: tools.target,
    fifo: join(folders.control, 'fifo'),
    scenario,
    seed,
    signal,
  });
  const dump: DumpJob = { ...job, pid: target.pid, imagesDir: folders.images, workDir: folders.control };
  job.enter('measuring');
  const targetNs = target.cpuNs();
  const cost = await measure(peer, dump, signal);
  const figures = await collect(peer, dump, { cost, target, targetNs });
  job.enter('verifying');
  const images = peer.group === 'archive' ? await unpack(dump) : folders.images;
  const check = await verifyImages(tools.verify, images, target.arenas);
  if (scenario.leaveRunning)
    verifyAnswers(target.arenas, await target.ask(signal), 'after the dump that left it running');
  if (job.restore) {
    job.enter('restoring');
    await target.end();
    await target.freed(signal);
    await restoreTree({ ...dump, imagesDir: images }, signal);
    verifyAnswers(target.arenas, await target.ask(signal), 'after criu restore');
  }
  return { figures, verified: { kind: 'images', ...check, restored: job.restore } };
}

async function measure(peer: DumpPeer, dump: DumpJob, signal: AbortSignal | undefined): Promise<Cost> {
  const onDisk = dump.scenario.destination.kind !== 'tmpfs';
  const cost = await meter({
    run: dump.tools.run,
    command: peer.command(dump),
    env: { FRAZIL_CRIU: dump.host.criuPath },
    workDir: dump.workDir,
    syncDir: onDisk ? dump.imagesDir : undefined,
    signal,
  });
  if (cost.exit === 0) return cost;
  const how = cost.signal === 0 ? `exited with ${cost.exit}` : `was ended by signal ${cost.signal}`;
  throw new RunFailure(`${peer.name} ${how}`, { log: await lastWords(dump.workDir, cost) });
}

const LAST_LINES = 12;

async function lastWords(workDir: string, { stdout, stderr }: Cost): Promise<string> {
  const log = await readFile(join(workDir, 'dump.log'), 'utf8').catch(() => '');
  const errors = log.split('\n').filter((line) => line.includes('Error'));
  return [...errors, ...stderr.split('\n'), ...stdout.split('\n')]
    .filter((line) => line !== '')
    .slice(-LAST_LINES)
    .join('\n');
}

interface Measured {
  readonly cost: Cost;
  readonly target: Target;
  readonly targetNs: number;
}

async function collect(
  peer: DumpPeer,
  { workDir, imagesDir }: DumpJob,
  { cost, target, targetNs }: Measured,
): Promise<Figures> {
  const times = await readDumpStats(workDir);
  const written = await sizes(imagesDir);
  const targetUs = (target.cpuNs() - targetNs) / 1000;
  return {
    frozen: times.frozen_time,
    freezing: times.freezing_time,
    ...figuresOf(cost, target.pages * PAGE_BYTES),
    ...(cost.descendantBytes === undefined ? {} : { criuMemory: cost.descendantBytes }),
    call: cost.wallUs,
    hostMemory: cost.hostBytes,
    ...written,
    ...(cost.syncUs === undefined ? {} : { durable: cost.wallUs + cost.syncUs }),
    // Not a number where the tree was killed, or where the kernel does not account for it.
    ...(targetUs >= 0 ? { targetCpu: targetUs } : {}),
    ...peer.read?.(cost.stdout),
  };
}

const BLOCK_BYTES = 512;

async function sizes(dir: string): Promise<{ readonly bytesWritten: number; readonly bytesAllocated: number }> {
  const entries = await Promise.all((await readdir(dir)).map((name) => lstat(join(dir, name))));
  const files = entries.filter((entry) => entry.isFile());
  return {
    bytesWritten: files.reduce((sum, { size }) => sum + size, 0),
    bytesAllocated: files.reduce((sum, { blocks }) => sum + blocks * BLOCK_BYTES, 0),
  };
}
