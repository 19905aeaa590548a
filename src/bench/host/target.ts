/**
 * The tree that is dumped, as an object with a lifetime. See native/bench/target.c for why it talks through signals and a FIFO.
 * A `Target` outlives the death of its processes: after a restore the same pids answer through the same FIFO.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants, existsSync, openSync, readFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { CheckpointError } from '../../errors/checkpoint-error.js';
import type { Scenario } from '../model.js';

/** What one process says about its arena. */
export interface Arena {
  readonly pid: number;
  readonly index: number;
  /** Hexadecimal, as the verifier takes it. */
  readonly address: string;
  readonly pages: number;
  readonly digest: string;
  /** Whether what it writes in order shows one moment: a write that was lost does not. */
  readonly whole: boolean;
}

/** What the restored tree says of its restore (native/bench/probe.h). */
export interface Waits {
  /** How often it waited for a page. */
  readonly count: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly maxUs: number;
}

export interface TargetOptions {
  readonly program: string;
  /** Does not exist yet; made here. */
  readonly fifo: string;
  readonly scenario: Scenario;
  readonly seed: number;
  readonly signal?: AbortSignal | undefined;
  /** The command that starts this one somewhere else, and ends at once: a runtime. */
  readonly launch?: ((command: readonly string[]) => readonly string[]) | undefined;
  /** When it starts where its pids are not those that are seen here. Then it is for whoever made that place to end. */
  readonly signals?: Signals | undefined;
}

/** How pids are signalled that are not of this pid namespace. */
export type Signals = (pids: readonly number[], signal: 'USR1') => Promise<void>;

export const PAGE_BYTES = 4096;

// First touch of memory that a virtual machine's host has not backed was measured at 0.3 GB/s; a tenth of that is a hang.
const SLOWEST_BYTES_PER_MS = 30_000;
const PATIENCE_MS = 20_000;
const POLL_MS = 10;

export class Target implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #fifo: Socket;
  readonly #lines: string[] = [];
  readonly #resumedUs: number[] = [];
  #waits: Waits | undefined;
  #awayUs: number | undefined;
  #elsewhere: Signals | undefined;
  readonly #scenario: Scenario;
  readonly #launched: boolean;
  #arenas: readonly Arena[] = [];

  /** Resolves when every process has filled its arena and said so. */
  static async start(options: TargetOptions): Promise<Target> {
    options.signal?.throwIfAborted();
    await promisify(execFile)('mkfifo', [options.fifo]);
    const target = new Target(options);
    try {
      target.#arenas = await target.#answers(options.signal);
      return target;
    } catch (reason) {
      await target[Symbol.asyncDispose]();
      throw reason;
    }
  }

  private constructor({ program, fifo, scenario, seed, launch, signals }: TargetOptions) {
    this.#scenario = scenario;
    this.#elsewhere = signals;
    this.#launched = launch !== undefined;
    // Read and write: a FIFO with a writer of its own never reports its end when the target closes it.
    this.#fifo = new Socket({
      fd: openSync(fifo, constants.O_RDWR | constants.O_NONBLOCK),
      readable: true,
      writable: false,
    });
    let rest = '';
    this.#fifo.setEncoding('utf8').on('data', (text) => {
      const lines = `${rest}${String(text)}`.split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) this.#hear(line);
    });
    // Its own session with stdio on /dev/null: nothing of ours is in the dump.
    const command = [program, ...argv(fifo, scenario, seed)];
    const [file = '', ...args] = launch?.(command) ?? command;
    this.#child = spawn(file, args, { detached: true, stdio: 'ignore' });
    this.#child.on('error', () => {}); // a program that cannot start has no pid: start() reports it
  }

  get pid(): number {
    const [root] = this.#arenas;
    if (root !== undefined) return root.pid;
    if (this.#child.pid === undefined)
      throw new CheckpointError('IO', 'Cannot start the target: its program cannot be run', {});
    return this.#child.pid;
  }

  /** By index of the process; the first is the root. */
  get arenas(): readonly Arena[] {
    return this.#arenas;
  }

  get pages(): number {
    return this.#arenas.reduce((sum, { pages }) => sum + pages, 0);
  }

  /** Nanoseconds of CPU time that the processes have used, by all their threads; what a dumper makes them do inside their own context counts here. */
  cpuNs(): number {
    return this.#arenas.reduce((sum, { pid }) => sum + taskNs(pid), 0);
  }

  /** When it ran again after it had been away, for the first time since `beganUs`; both CLOCK_REALTIME. */
  resumedUs(beganUs: number): number | undefined {
    return this.#resumedUs.find((us) => us > beganUs);
  }

  /** As of the last answer. */
  get waits(): Waits | undefined {
    return this.#waits;
  }

  /** The longest time for which it did not run between the last two answers. */
  get awayUs(): number | undefined {
    return this.#awayUs;
  }

  /** It lives where `signals` reaches it, and is for whoever made that place to end: none of its pids is touched here any more. */
  moved(signals: Signals): void {
    this.#elsewhere = signals;
  }

  #hear(line: string): void {
    const [word, ...rest] = line.split(' ');
    const [first = 0, ...times] = rest.map((text) => Number(text));
    const [p50Us = 0, p99Us = 0, maxUs = 0] = times.map((ns) => ns / 1000);
    if (word === 'resumed') this.#resumedUs.push(first / 1000);
    else if (word === 'away') this.#awayUs = first / 1000;
    else if (word === 'waited') this.#waits = { count: first, p50Us, p99Us, maxUs };
    else this.#lines.push(line);
  }

  /** Asks every process for its digest now. Also works on a restored tree. */
  async ask(signal?: AbortSignal): Promise<readonly Arena[]> {
    this.#lines.length = 0;
    const pids = this.#arenas.map(({ pid }) => pid);
    if (this.#elsewhere === undefined) for (const pid of pids) process.kill(pid, 'SIGUSR1');
    else await this.#elsewhere(pids, 'USR1');
    return this.#answers(signal);
  }

  /**
   * Resolves when no process holds the tree's pids any more, so that they can be restored. A tree that the dump killed leaves its
   * children to PID 1, and that of many containers and development machines reaps only every few seconds.
   */
  async freed(signal?: AbortSignal): Promise<void> {
    const patience = AbortSignal.timeout(PATIENCE_MS);
    while (this.#arenas.some(({ pid }) => existsSync(`/proc/${pid}`))) {
      signal?.throwIfAborted();
      if (patience.aborted) {
        const detail = { timeoutMs: PATIENCE_MS, waitingFor: 'zombies of the target' };
        throw new CheckpointError(
          'TIMEOUT',
          `Cannot restore target ${this.#child.pid}: nobody reaps its zombies`,
          detail,
        );
      }
      await delay(POLL_MS);
    }
  }

  /** Ends the tree and resolves when nothing of it runs; zombies that init has yet to reap may remain. Safe to call twice. */
  async end(): Promise<void> {
    if (this.#elsewhere !== undefined) return;
    const pids =
      this.#arenas.length > 0
        ? this.#arenas.map(({ pid }) => pid)
        : [this.#child.pid].filter((pid) => pid !== undefined);
    const [root] = pids;
    if (root !== undefined) send(root, 'SIGTERM');
    const patience = AbortSignal.timeout(PATIENCE_MS);
    for (let waited = 0; pids.some(isAlive) && !patience.aborted; waited += POLL_MS) {
      // A tree that a failed dump left stopped cannot obey: SIGKILL reaches it all the same.
      if (waited >= PATIENCE_MS / 10) pids.forEach((pid) => void send(pid, 'SIGKILL'));
      await delay(POLL_MS);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
    if (!this.#fifo.destroyed) {
      this.#fifo.destroy();
      await once(this.#fifo, 'close');
    }
  }

  #failed(): boolean {
    const { pid, exitCode } = this.#child;
    return pid === undefined || (exitCode !== null && !(this.#launched && exitCode === 0));
  }

  async #answers(signal: AbortSignal | undefined): Promise<readonly Arena[]> {
    const { processes, sizeBytes } = this.#scenario;
    const patience = AbortSignal.timeout(PATIENCE_MS + Math.ceil(sizeBytes / SLOWEST_BYTES_PER_MS));
    while (this.#lines.length < processes) {
      signal?.throwIfAborted();
      if (this.#arenas.length === 0 && this.#failed()) {
        throw new CheckpointError(
          'IO',
          'Cannot fill the target: its program ended. It needs the memory of the scenario',
          {},
        );
      }
      if (patience.aborted) {
        const detail = { timeoutMs: PATIENCE_MS, waitingFor: `digests of ${processes} processes` };
        throw new CheckpointError(
          'TIMEOUT',
          `Cannot read the digests of target ${this.#child.pid}: it does not answer`,
          detail,
        );
      }
      await delay(POLL_MS);
    }
    return this.#lines.map(parseArena).sort((a, b) => a.index - b.index);
  }
}

function argv(fifo: string, scenario: Scenario, seed: number): string[] {
  const { sizeBytes, processes, threads, entropy, zeroShare, dirtyBytesPerSecond, group } = scenario;
  const pages = Math.max(1, Math.round(sizeBytes / processes / PAGE_BYTES));
  const dirtyPages = Math.round(dirtyBytesPerSecond / processes / PAGE_BYTES);
  const moves = group === 'migrate' || group === 'container-migrate';
  const probe = group === 'restore' || moves ? 1 : 0;
  // A pid namespace without us is no reason to end.
  const owner = moves || group === 'container-export' ? 0 : process.pid;
  return [fifo, owner, pages, seed, entropy, zeroShare, dirtyPages, processes, threads, probe].map(String);
}

function parseArena(line: string): Arena {
  const match = /^(\d+) (\d+) ([0-9a-f]+) (\d+) ([0-9a-f]{16}) \d+ \d+ (ok|broken)$/.exec(line);
  const [, pid, index, address, pages, digest, cut] = match ?? [];
  if (address === undefined || digest === undefined) {
    throw new CheckpointError('PROTOCOL', `Cannot read the target's answer "${line}"`, { received: line });
  }
  return { pid: Number(pid), index: Number(index), address, pages: Number(pages), digest, whole: cut === 'ok' };
}

function taskNs(pid: number): number {
  try {
    // /proc/PID/schedstat is of the main thread alone, and that is where CRIU's parasite runs.
    return Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[0]);
  } catch {
    return Number.NaN; // gone, or a kernel without schedstat: the figure is left out
  }
}

function isAlive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.charAt(stat.lastIndexOf(')') + 2) !== 'Z';
  } catch {
    return false;
  }
}

function send(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false; // already gone
  }
}
