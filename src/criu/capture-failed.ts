// Which error a failed dump is. Several things fail at once (our sink, CRIU's request, the caller's patience); the one that came
// first is the cause, the others are its echo.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { getSystemErrorName } from 'node:util';
import type { SinkFailure, SinkReception } from '../addon/page-sink.js';
import { CheckpointError } from '../errors/checkpoint-error.js';
import { explain } from '../errors/explain.js';
import { refused } from '../errors/refused.js';
import { criuDied } from '../rpc/failure.js';
import type { Answer } from '../rpc/session.js';

export interface FailedCapture {
  readonly plan: { readonly verb: 'dump' | 'pre-dump'; readonly pid: number; readonly logFile: string };
  readonly imagesDir: string;
  readonly workDir: string;
  readonly signal: AbortSignal;
  readonly answer: Answer<'DUMP' | 'SINGLE_PRE_DUMP'>;
  readonly reception: SinkReception | { readonly error: unknown };
  readonly stderr: string;
  /** What could not be put right after a CRIU that died, as sentences. */
  readonly left?: string | undefined;
}

export async function captureFailed(failed: FailedCapture): Promise<unknown> {
  const { plan, imagesDir, signal, answer, left } = failed;
  const { pid } = plan;
  if (signal.aborted) {
    const message = `Cannot finish the ${plan.verb} of process ${pid}: the caller aborted it. The tree runs on${left === undefined ? '' : `. ${left}`}`;
    return new CheckpointError('ABORTED', message, { pid, imagesDir }, { cause: signal.reason });
  }
  const sink = sinkError(failed);
  if (sink !== undefined) return sink;
  if (await hasEnded(pid)) return endedMeanwhile(failed);
  const logFile = join(failed.workDir, plan.logFile);
  const log = await readFile(logFile, 'utf8').catch(() => '');
  if (answer.kind === 'hung-up') {
    const request = plan.verb === 'dump' ? 'DUMP' : 'SINGLE_PRE_DUMP';
    return criuDied(answer, { request, pid, imagesDir, logFile, causes: explain(log).causes, left });
  }
  const refusal = answer.kind === 'refused' ? answer : undefined;
  return refused(plan.verb, { pid, imagesDir, logFile, log, stderr: failed.stderr, answer: refusal });
}

// What CRIU says then depends on where it was: that it may not seize a task, that /proc has no such file, or an assertion of its own
// (criu/cgroup.c:1032 in 4.2.1, seen in 2 of 12 dumps whose root was killed at pre-dump).
function endedMeanwhile({ plan: { verb, pid, logFile }, workDir, left }: FailedCapture): unknown {
  const message = `Cannot ${verb} process ${pid}: it ended meanwhile. CRIU's log is ${join(workDir, logFile)}${left === undefined ? '' : `. ${left}`}`;
  return new CheckpointError('NO_SUCH_PROCESS', message, { pid });
}

/** Gone, or a zombie: proc(5), the field behind the name of /proc/PID/stat. */
async function hasEnded(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => '');
  return /^[ZX]?$/.test(stat.slice(stat.lastIndexOf(')') + 2).charAt(0));
}

// A peer that hung up is CRIU's failure, which its log explains; anything else is ours or a broken chain.
function sinkError({ plan, reception, imagesDir }: FailedCapture): unknown {
  if ('error' in reception) return CheckpointError.is(reception.error, 'ABORTED') ? undefined : reception.error;
  const { failure } = reception;
  if (failure === undefined || failure.fault === 'hung-up' || failure.fault === 'cancelled') return undefined;
  const what = `Cannot store the pages of process ${plan.pid}`;
  if (failure.fault === 'system') {
    const errno = getSystemErrorName(-failure.errno);
    const remedy = errno === 'ENOSPC' ? '. Free space, or choose another directory' : '';
    const message = `${what} in "${imagesDir}": ${failure.syscall} failed with ${errno}${remedy}`;
    return new CheckpointError('IO', message, { syscall: failure.syscall, errno, path: imagesDir });
  }
  const image = `${failure.image === 'task' ? 'pagemap-' : 'pagemap-shmem-'}${failure.id}.img`;
  const where = `${image} at 0x${failure.vaddr.toString(16)}, ${failure.pages} pages`;
  const chain = BROKEN_CHAIN[failure.fault];
  if (chain !== undefined) {
    const message = `${what}: ${chain} (${where}). Dump without a parent, or restore the chain of parents`;
    return new CheckpointError('IMAGES_CORRUPT', message, { imagesDir, path: image });
  }
  const message = `${what}: CRIU sent what the page protocol does not allow (${failure.fault}; ${where})`;
  return new CheckpointError('PROTOCOL', message, {
    received: failure.fault,
    expected: 'the page protocol of CRIU 4.1 or 4.2',
  });
}

const BROKEN_CHAIN: Partial<Record<SinkFailure['fault'], string>> = {
  'hole-not-in-parent': 'they are said to be in the parent, and are not',
  'hole-without-parent': 'they are said to be in the parent, which has no such image',
  'bad-parent': 'a pagemap of the parent cannot be read',
};
