/**
 * One run of a restored server: dumped by CRIU whoever restores it, and asked, from the moment at which the restore is asked for, until it has
 * answered. Then it is asked for the digest of all that it holds.
 */
import { join } from 'node:path';
import { figuresOf } from './host/meter.js';
import { NodeServer } from './host/node-server.js';
import { WrongBytes } from './host/verify.js';
import type { DumpJob, RestorePeer } from './peers/peer.js';
import { dumpTree, measureRestore } from './restore-run.js';
import { RunFailure, type RunJob, type RunOutcome } from './run.js';

// An answer that has not come by then comes no more: the command has ended, so all memory is there.
const PATIENCE_MS = 10_000;

/** Throws as runRestore(). */
export async function runServer(peer: RestorePeer, job: RunJob): Promise<RunOutcome> {
  const { scenario, folders, seed, signal } = job;
  job.enter('filling');
  const said = join(folders.control, 'server');
  await using server = await NodeServer.start({ said, sizeBytes: scenario.sizeBytes, seed, signal });
  const restore: DumpJob = { ...job, pid: server.pid, imagesDir: folders.images, workDir: folders.control };
  job.enter('dumping');
  await dumpTree(restore, signal);
  await server.freed(signal);
  job.enter('measuring');
  const { cost, answeredUs } = await measure(peer, { restore, server }, signal);
  const { figures = {}, beganUs = cost.beganUs } = peer.read?.(cost.stdout) ?? {};
  job.enter('verifying');
  const digest = await server.digestNow(AbortSignal.timeout(PATIENCE_MS));
  if (digest !== server.digest)
    throw new WrongBytes(`the server that ${peer.name} restored holds other bytes: digest ${digest}`);
  const measured = { answer: answeredUs - beganUs, filled: cost.wallUs, ...figuresOf(cost, scenario.sizeBytes) };
  return { figures: { ...measured, ...figures }, verified: { kind: 'answer', answer: digest } };
}

interface Asked {
  readonly restore: DumpJob;
  readonly server: NodeServer;
}

async function measure(peer: RestorePeer, { restore, server }: Asked, signal: AbortSignal | undefined) {
  const given = new AbortController();
  const asking = server.firstAnswer(AbortSignal.any([given.signal, ...(signal === undefined ? [] : [signal])]));
  // Whoever fails first is heard.
  asking.catch(() => {});
  try {
    const cost = await measureRestore(peer, restore, signal);
    const timer = setTimeout(() => given.abort(new Error('no answer')), PATIENCE_MS);
    const answeredUs = await asking
      .catch(() => {
        signal?.throwIfAborted();
        throw new RunFailure(`the server that ${peer.name} restored does not answer`);
      })
      .finally(() => clearTimeout(timer));
    return { cost, answeredUs };
  } finally {
    given.abort();
  }
}
