/** A command that waits at the destination before a run and ends with it; its cost is told by the meter that it runs under. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { RunFailure } from '../run.js';
import type { Hosts } from './hosts.js';
import { parseReport, type Report } from './meter.js';
import type { Tools } from './tools.js';

export interface Receiver extends AsyncDisposable {
  /** The first line of its output. */
  readonly greeting: string;
  said(): string;
  /** Resolves with its cost when it has ended. */
  ended(): Promise<Report>;
}

export interface ReceiverPlan {
  readonly hosts: Hosts;
  readonly tools: Tools;
  readonly argv: readonly string[];
  /** Besides that of this process. */
  readonly env: Readonly<Record<string, string>>;
}

/** How long one that has nothing more to do may take to end. */
const PATIENCE_MS = 10_000;

/** Throws RunFailure when it ends without a word. */
export async function startReceiver({ hosts, tools, argv, env }: ReceiverPlan): Promise<Receiver> {
  const [program = '', ...rest] = [...hosts.destination, tools.run, '--', ...argv];
  const child = spawn(program, rest, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe', 'pipe'] });
  const texts = { out: '', err: '', cost: '' };
  const closed = once(child, 'close');
  const greeted = new Promise<void>((resolve) => {
    const streams = { out: child.stdout, err: child.stderr, cost: child.stdio[3] };
    for (const name of ['out', 'err', 'cost'] as const)
      streams[name]?.on('data', (piece) => {
        texts[name] += String(piece);
        if (texts.out.includes('\n')) resolve();
      });
  });
  await Promise.race([greeted, closed]);
  if (!texts.out.includes('\n')) throw new RunFailure('the receiver ended at once', { log: texts.err });
  return {
    greeting: texts.out.split('\n')[0] ?? '',
    said: () => `${texts.out}${texts.err}`,
    async ended() {
      const late = setTimeout(() => child.kill('SIGTERM'), PATIENCE_MS);
      await closed.finally(() => clearTimeout(late));
      return parseReport(texts.cost);
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGKILL');
      await closed;
    },
  };
}
