/** One run of the version group: a fresh driver process repeats whole sessions and round trips; every repetition is kept. */
import { decodeResponse } from '../schema/rpc-codec.js';
import { meter } from './host/meter.js';
import type { Figures, MetricName } from './model.js';
import type { VersionOutput, VersionPeer } from './peers/peer.js';
import { RunFailure, type RunJob, type RunOutcome } from './run.js';
import { medianOf } from './statistics/summary.js';

/** Throws RunFailure for a driver that fails or an answer that is not CRIU's version. */
export async function runVersion(peer: VersionPeer, job: RunJob): Promise<RunOutcome> {
  job.enter('measuring');
  const cost = await meter({
    run: job.tools.run,
    command: peer.command(job),
    env: {},
    workDir: job.folders.control,
    signal: job.signal,
  });
  if (cost.exit !== 0) throw new RunFailure(`${peer.name} exited with ${cost.exit}`, { log: cost.stderr.slice(-2000) });
  const { samples, answer } = parseOutput(cost.stdout);
  job.enter('verifying');
  if (answer !== job.host.criuVersion) {
    throw new RunFailure(`${peer.name} was answered version ${answer}, criu --version says ${job.host.criuVersion}`);
  }
  return {
    figures: { ...medians(samples), cpu: cost.cpuUs, peakMemory: cost.peakBytes },
    samples,
    verified: { kind: 'answer', answer },
  };
}

function medians(samples: VersionOutput['samples']): Figures {
  return Object.fromEntries(Object.entries(samples).map(([name, values]) => [name, medianOf(values)]));
}

const SAMPLED = ['session', 'exchange'] as const satisfies readonly MetricName[];

function parseOutput(stdout: string): VersionOutput {
  const parsed: unknown = JSON.parse(stdout);
  if (typeof parsed !== 'object' || parsed === null) throw new RunFailure(`a driver printed "${stdout}"`);
  const fields: Readonly<Record<string, unknown>> = { ...parsed };
  const samples = Object.fromEntries(SAMPLED.map((name) => [name, asNumbers(fields[name])]));
  const hex = fields['answerHex'];
  return { samples, answer: typeof hex === 'string' ? decodeAnswer(hex) : String(fields['answer']) };
}

function asNumbers(value: unknown): readonly number[] {
  if (!Array.isArray(value) || value.length === 0) throw new RunFailure('a driver printed no samples');
  return value.map(Number);
}

function decodeAnswer(hex: string): string {
  const { version } = decodeResponse(Buffer.from(hex, 'hex'));
  return version === undefined
    ? 'absent'
    : [version.major_number, version.minor_number, version.sublevel].filter((part) => part !== undefined).join('.');
}
