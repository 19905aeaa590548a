/**
 * One run of a restore: a fresh tree, dumped by CRIU whoever restores it, its pids free again; one command under the meter; then the restored
 * tree says when it ran, how long it waited for its pages, and the digest of its memory.
 */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { type Cost, figuresOf, meter } from './host/meter.js';
import { PAGE_BYTES, Target } from './host/target.js';
import { verifyAnswers } from './host/verify.js';
import type { Figures } from './model.js';
import { CRIU } from './peers/criu.js';
import type { DumpJob, RestorePeer } from './peers/peer.js';
import { RunFailure, type RunJob, type RunOutcome } from './run.js';

// The tree takes 100 ms for its having been away (native/bench/probe.h).
const AWAY_MS = 200;

/** Throws RunFailure or WrongBytes for what the peer did wrong; anything else is the harness's own trouble. */
export async function runRestore(peer: RestorePeer, job: RunJob): Promise<RunOutcome> {
  const { scenario, folders, seed, tools, signal } = job;
  job.enter('filling');
  const fifo = join(folders.control, 'fifo');
  await using target = await Target.start({ program: tools.target, fifo, scenario, seed, signal });
  const restore: DumpJob = { ...job, pid: target.pid, imagesDir: folders.images, workDir: folders.control };
  job.enter('dumping');
  await dumpTree(restore, signal);
  await target.freed(signal);
  await delay(AWAY_MS, undefined, { ...(signal === undefined ? {} : { signal }) });
  job.enter('measuring');
  const cost = await measureRestore(peer, restore, signal);
  job.enter('verifying');
  const answers = await target.ask(signal);
  verifyAnswers(target.arenas, answers, `after ${peer.title}`);
  const { pages } = target;
  const digests = answers.map(({ digest }) => digest);
  return { figures: collect(peer, cost, target), verified: { kind: 'images', pages, digests, restored: true } };
}

/** By CRIU; the tree ends, unless the scenario leaves it running. */
export async function dumpTree(job: DumpJob, signal: AbortSignal | undefined): Promise<void> {
  const [file = '', ...argv] = CRIU.command(job);
  await promisify(execFile)(file, argv, signal === undefined ? {} : { signal });
}

/** Its command, under the meter. Throws RunFailure with what it has logged. */
export async function measureRestore(peer: RestorePeer, job: DumpJob, signal: AbortSignal | undefined): Promise<Cost> {
  const cost = await meter({
    run: job.tools.run,
    command: peer.command(job),
    env: { FRAZIL_CRIU: job.host.criuPath },
    workDir: job.workDir,
    signal,
  });
  if (cost.exit === 0) return cost;
  const log = await readFile(join(job.workDir, 'restore.log'), 'utf8').catch(() => '');
  const lines = [...log.split('\n').slice(-LAST_LINES), ...cost.stderr.split('\n')].filter((line) => line !== '');
  throw new RunFailure(`${peer.name} exited with ${cost.exit}`, { log: lines.slice(-LAST_LINES).join('\n') });
}

const LAST_LINES = 12;

function collect(peer: RestorePeer, cost: Cost, target: Target): Figures {
  const { figures = {}, beganUs = cost.beganUs } = peer.read?.(cost.stdout) ?? {};
  const resumedUs = target.resumedUs(beganUs);
  if (resumedUs === undefined) throw new RunFailure(`the tree that ${peer.name} restored never said that it runs`);
  const { waits } = target;
  return {
    first: resumedUs - beganUs,
    filled: cost.wallUs,
    ...figuresOf(cost, target.pages * PAGE_BYTES),
    ...(cost.descendantBytes === undefined ? {} : { criuMemory: cost.descendantBytes }),
    ...(waits === undefined ? {} : { waits: waits.count }),
    // Of no wait at all there is no length.
    ...(waits === undefined || waits.count === 0
      ? {}
      : { waitP50: waits.p50Us, waitP99: waits.p99Us, waitMax: waits.maxUs }),
    ...figures,
  };
}
