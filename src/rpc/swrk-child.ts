// A running `criu swrk N`: the child, its end of the control socket, and what it prints. Both kinds of session stand on it.
//
// The socket pair is made in this process because CRIU opens "fd numbers" of ours through /proc/<creator of the pair>/fd, and only
// while that process lives.

import { isMainThread } from 'node:worker_threads';
import { type Child, type ChildWatch, type ExitStatus, sendSignal, spawn, watchChild } from '../addon/children.js';
import type { Fd } from '../addon/fd.js';
import { type Message, receiveSoon, seqpacketPair } from '../addon/sockets.js';
import { CheckpointError } from '../errors/checkpoint-error.js';
import { keptAnswers } from './kept-answers.js';
import { openTail, type Tail } from './tail.js';

export interface SwrkOptions {
  /** Path of the program; PATH is not searched. */
  readonly criu: string;
  /** What CRIU inherits besides its own: `as` is the number inside, for `ps.fd` and `inherit_fd`. Lent: the caller closes its own. */
  readonly inherit?: ReadonlyArray<{ readonly fd: Fd | number; readonly as: number }>;
  /** Standard input, when a terminal is to be restored. Default: /dev/null. */
  readonly stdin?: Fd | number;
  /**
   * Whether CRIU reads /etc/criu/default.conf and $HOME/.criu/default.conf first, as it does for everybody else (default true). What
   * stands there applies wherever a request does not say otherwise, and can name scripts that CRIU runs. `$CRIU_CONFIG_FILE` is
   * read in any case.
   */
  readonly defaultConfig?: boolean;
  /** Let CRIU share our process group and terminal, as restoring a shell job needs. Default: a group of its own. */
  readonly shellJob?: boolean;
  /** Default: our environment. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** CRIU is to ask the kernel what it can do once, and not at each start: for requests that need to know. */
  readonly keepAnswers?: boolean;
  readonly cwd?: string;
  /** The program that makes a pid namespace and runs CRIU in it. It ends as the tree does that is restored there. */
  readonly cell?: string;
}

const SIGKILL = 9;
const SIGTERM = 15;
const FIRST_FREE_FD = 3;
/** How long our thread stands still for an answer that is about to come, once CRIU is up: it answers what it knows in 5 µs. */
const SOON_US = 100;

export class SwrkChild {
  readonly pid: number;
  /** Our end. */
  readonly socket: Fd;
  /** `undefined` when somebody else reaped it. Never rejects. */
  readonly exited: Promise<ExitStatus | undefined>;
  readonly stdout: Tail;
  readonly stderr: Tail;
  readonly #pidfd: Fd;
  readonly #watch: ChildWatch;
  readonly #inCell: boolean;
  #ended = false;
  #terminated = false;
  #hasSpoken = false;
  #wake = (): void => {};

  /** Throws CRIU_MISSING when there is no such program, RangeError when a number in `inherit` is taken twice. */
  constructor(options: SwrkOptions) {
    const number = controlNumber((options.inherit ?? []).map(({ as }) => as));
    this.#inCell = options.cell !== undefined;
    this.stdout = openTail('criu-stdout');
    this.stderr = openTail('criu-stderr');
    const [ours, theirs] = seqpacketPair();
    this.socket = ours;
    try {
      const { pid, pidfd } = this.#start(options, theirs, number);
      this.pid = pid;
      this.#pidfd = pidfd;
    } catch (cause) {
      ours.close();
      this.stdout[Symbol.dispose]();
      this.stderr[Symbol.dispose]();
      throw missing(options.criu, cause) ?? cause;
    } finally {
      theirs.close();
    }
    this.#watch = watchChild(this.#pidfd, () => this.#wake());
    this.exited = this.#end();
  }

  async #end(): Promise<ExitStatus | undefined> {
    const exit = await this.#watch.done.catch(() => undefined);
    this.#ended = true;
    this.#wake();
    return exit;
  }

  #start(options: SwrkOptions, theirs: Fd, number: number): Child {
    const more = options.defaultConfig === false ? ['--no-default-config'] : [];
    return spawn({
      ...(options.cell === undefined
        ? { file: options.criu, argv: ['criu', ...more, 'swrk', String(number)] }
        : { file: options.cell, argv: ['frazil-cell', String(number), options.criu, ...more] }),
      ...environment(options.env),
      // A cell is another program, and would take it for itself.
      ...(options.keepAnswers === true && options.cell === undefined ? { moreEnv: keptAnswers() } : {}),
      fds: [
        ...(options.stdin === undefined ? [] : [{ fd: options.stdin, as: 0 }]),
        { fd: this.stdout.fd, as: 1 },
        { fd: this.stderr.fd, as: 2 },
        { fd: theirs, as: number },
        ...(options.inherit ?? []),
      ],
      newProcessGroup: options.shellJob !== true,
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    });
  }

  /**
   * The next message; `undefined` when there will be none: the child has ended, has hung up, or we have. That it ended is asked
   * for besides, because tasks that a killed CRIU was just restoring hold its socket too, and then the socket does not tell.
   */
  async receive(): Promise<Message | undefined> {
    for (let soonUs = this.#hasSpoken ? SOON_US : 0; !this.socket.closed; soonUs = 0) {
      // Asked first: what it sent before its end is in the socket by then.
      const ended = this.#ended;
      const taken = receiveSoon(this.socket, soonUs);
      if (taken === 'hung-up') return undefined;
      if (taken !== undefined) {
        this.#hasSpoken = true;
        return taken;
      }
      if (ended) return undefined;
      await this.#news();
    }
    return undefined;
  }

  /** Until the socket has something to tell or is closed by us, or the child has ended. */
  #news(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
      this.#watch.arm(this.socket);
    });
  }

  /** Closes our end, and ends a `receive` under way. */
  hangUp(): void {
    this.socket.close();
    this.#wake();
  }

  /** Whether terminate() was called. */
  get terminated(): boolean {
    return this.#terminated;
  }

  /** Waiting for its end does not keep the program running any more. */
  unref(): void {
    this.#watch.unref();
  }

  /** Ends CRIU without asking it. */
  terminate(): void {
    this.#terminated = true;
    try {
      // A cell ends its namespace first.
      sendSignal(this.#pidfd, this.#inCell ? SIGTERM : SIGKILL);
    } catch {
      // It has ended already: what was asked for.
    }
  }

  /** Closes what we hold; the child should have ended. What it printed stays readable. */
  close(): void {
    this.hangUp();
    this.#pidfd.close();
    this.stdout[Symbol.dispose]();
    this.stderr[Symbol.dispose]();
  }
}

function controlNumber(taken: readonly number[]): number {
  if (new Set(taken).size !== taken.length || taken.some((as) => as < FIRST_FREE_FD))
    throw new RangeError(
      `Cannot inherit fds as ${taken.join(', ')}: each must be a number of its own, from ${FIRST_FREE_FD} on`,
    );
  let number = FIRST_FREE_FD;
  while (taken.includes(number)) number++;
  return number;
}

/** Our own is not listed: `process.env` asks libc for each variable (80 µs), and on the main thread it is libc's anyway. */
function environment(env: SwrkOptions['env']): { readonly env?: readonly string[] } {
  if (env === undefined && isMainThread) return {};
  const entries = Object.entries(env ?? process.env);
  return { env: entries.flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${value}`])) };
}

function missing(path: string, cause: unknown): CheckpointError<'CRIU_MISSING'> | undefined {
  if (!CheckpointError.is(cause, 'IO') || !['ENOENT', 'EACCES', 'ENOTDIR'].includes(cause.detail.errno ?? ''))
    return undefined;
  const message = `Cannot start CRIU: "${path}" cannot be executed (${cause.detail.errno}). Run scripts/setup, or set FRAZIL_CRIU`;
  return new CheckpointError('CRIU_MISSING', message, { tried: [path] }, { cause });
}
