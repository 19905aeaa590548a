/** Runs a command through `run` (native/bench/run.c) and reads what it cost. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CheckpointError } from '../../errors/checkpoint-error.js';
import type { Figures } from '../model.js';

export interface Cost {
  readonly exit: number;
  readonly signal: number;
  readonly wallUs: number;
  readonly cpuUs: number;
  /** Of the command itself. */
  readonly peakBytes: number;
  /** Of its largest descendant; absent where it had none that lived for a sample. */
  readonly descendantBytes: number | undefined;
  /** How far the host's available memory fell. */
  readonly hostBytes: number;
  /** How long the file system needed afterwards to have everything on disk; absent where that was not asked. */
  readonly syncUs: number | undefined;
  /** Descendants that still ran when the command had ended. */
  readonly left: number;
  /** CLOCK_REALTIME, before the fork. */
  readonly beganUs: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** What every peer is measured by, whatever it did to so many bytes. */
export function figuresOf(cost: Cost, bytes: number): Figures {
  return {
    wall: cost.wallUs,
    throughput: (bytes / cost.wallUs) * 1e6,
    cpu: cost.cpuUs,
    cpuPerGib: (cost.cpuUs / bytes) * 2 ** 30,
    peakMemory: cost.peakBytes,
  };
}

export interface MeterOptions {
  readonly run: string;
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Where the command's output is kept; it exists. */
  readonly workDir: string;
  /** Its file system is synced after the command, and timed. */
  readonly syncDir?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

// After SIGTERM a dump in progress is refused and the tree resumed; only what ignores that is killed.
const GRACE_MS = 5_000;

/** Resolves with the cost also when the command failed: `exit` and `signal` say so. Abort ends the command first, then rejects. */
export async function meter({ run, command, env, workDir, syncDir, signal }: MeterOptions): Promise<Cost> {
  signal?.throwIfAborted();
  const paths = { out: join(workDir, 'stdout'), err: join(workDir, 'stderr') };
  await using out = await open(paths.out, 'w');
  await using err = await open(paths.err, 'w');
  const argv = [...(syncDir === undefined ? [] : ['--sync', syncDir]), '--', ...command];
  const child = spawn(run, argv, {
    detached: true,
    env: { ...process.env, ...env },
    stdio: ['ignore', out.fd, err.fd, 'pipe'],
  });
  const stop = (): void => end(child.pid);
  signal?.addEventListener('abort', stop, { once: true });
  try {
    let report = '';
    child.stdio[3]?.on('data', (text: Buffer) => {
      report += text.toString();
    });
    await once(child, 'close');
    signal?.throwIfAborted();
    return {
      ...parseReport(report),
      stdout: await readFile(paths.out, 'utf8'),
      stderr: await readFile(paths.err, 'utf8'),
    };
  } finally {
    signal?.removeEventListener('abort', stop);
  }
}

function end(pid: number | undefined): void {
  if (pid === undefined) return;
  tryKill(pid, 'SIGTERM');
  // The whole group, for a command that does not obey; unref'd, so that it keeps nobody waiting who did.
  setTimeout(() => tryKill(-pid, 'SIGKILL'), GRACE_MS).unref();
}

function tryKill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // Already gone: that is what was wanted.
  }
}

const KIB = 1024;

/** A cost without what the command printed. */
export type Report = Omit<Cost, 'stdout' | 'stderr'>;

/** What `run` has written. Throws PROTOCOL. */
export function parseReport(text: string): Report {
  const fields = asNumbers(text);
  const take = (name: string): number => {
    const value = fields[name];
    if (value === undefined)
      throw new CheckpointError('PROTOCOL', `Cannot read the cost of the run: no ${name} in "${text}"`, {
        received: text,
      });
    return value;
  };
  const peakKb = take('peakKb');
  return {
    exit: take('exit'),
    signal: take('signal'),
    wallUs: take('wallUs'),
    cpuUs: take('userUs') + take('systemUs'),
    peakBytes: (peakKb > 0 ? peakKb : take('largestKb')) * KIB,
    descendantBytes: take('childrenKb') > 0 ? take('childrenKb') * KIB : undefined,
    hostBytes: take('hostKb') * KIB,
    syncUs: take('syncUs') < 0 ? undefined : take('syncUs'),
    left: take('left'),
    beganUs: take('beganUs'),
  };
}

function asNumbers(text: string): Readonly<Record<string, number | undefined>> {
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed !== 'object' || parsed === null) return {};
    return Object.fromEntries(
      Object.entries(parsed).filter((entry): entry is [string, number] => typeof entry[1] === 'number'),
    );
  } catch {
    return {}; // take() names the first missing field and quotes the text
  }
}
