// CRIU as our own child: `criu swrk N`, where N is one end of a SEQPACKET pair. One packet is one message; there is no length in
// front, so a stream socket, and thereby Node's child_process, cannot carry it. The pair is made in this process because CRIU opens
// "fd numbers" of ours through /proc/<creator of the pair>/fd, and only while that process lives.
//
// The child's end closes on exec elsewhere, so end-of-file normally says that CRIU is gone. Not always: tasks that a killed CRIU was
// just restoring hold the socket too. So every wait for a message also watches the child.

import { setTimeout as delay } from 'node:timers/promises';
import { type ExitStatus, sendSignal, spawn, waitChild } from '../addon/children.js';
import type { Fd } from '../addon/fd.js';
import type { Job } from '../addon/job.js';
import { type Message, receive, send, seqpacketPair } from '../addon/sockets.js';
import { CheckpointError } from '../errors/checkpoint-error.js';
import type { CriuRequest } from '../schema/rpc.js';
import { decodeResponse, encodeRequest } from '../schema/rpc-codec.js';
import { Exchange, type Received, type Wire } from './exchange.js';
import type { Answer, ExchangeOptions, HungUp, Request, Session } from './session.js';
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
  readonly cwd?: string;
}

/** Starts CRIU. Throws CRIU_MISSING when there is no such program, RangeError when a number in `inherit` is taken twice. */
export function openSwrk(options: SwrkOptions): Session {
  return new SwrkSession(options);
}

const SIGKILL = 9;
/** After CRIU's end, how long its last message may still be on the way from the kernel to our thread. Tens of microseconds, in truth. */
const LINGER_MS = 50;

class SwrkSession implements Session, Wire {
  readonly kind = 'swrk';
  readonly criu: { readonly path: string };
  readonly #socket: Fd;
  readonly #pidfd: Fd;
  readonly #stdout = openTail('criu-stdout');
  readonly #stderr = openTail('criu-stderr');
  /** `undefined` when somebody else reaped it. */
  readonly #exited: Promise<ExitStatus | undefined>;
  readonly #exchange: Exchange;
  #receiving: Job<Message | undefined> | undefined;
  #terminated = false;
  #disposed: Promise<void> | undefined;

  constructor(options: SwrkOptions) {
    this.criu = { path: options.criu };
    const { socket, pidfd } = start(options, this.#stdout, this.#stderr);
    this.#socket = socket;
    this.#pidfd = pidfd;
    this.#exited = waitChild(pidfd).done.catch(() => undefined);
    this.#exchange = new Exchange(this);
  }

  stdout(): string {
    return this.#stdout.text();
  }

  stderr(): string {
    return this.#stderr.text();
  }

  exchange<R extends Request>(request: R, options: ExchangeOptions = {}): Promise<Answer<R['kind']>> {
    return this.#exchange.run(request, options);
  }

  send(request: CriuRequest): void {
    try {
      send(this.#socket, encodeRequest(request));
    } catch (error) {
      // A CRIU that died before it read is found out by the wait that follows, with its exit status.
      if (!isHangUp(error)) throw error;
    }
  }

  async receive(): Promise<Received | undefined> {
    const message = await this.#nextMessage();
    if (message === undefined) return undefined;
    try {
      return { response: decodeResponse(message.bytes), fds: message.fds };
    } catch (error) {
      for (const fd of message.fds) fd.close();
      throw error;
    }
  }

  async #nextMessage(): Promise<Message | undefined> {
    const job = receive(this.#socket);
    this.#receiving = job;
    const answered = new AbortController();
    const gone = this.#exited.then(() =>
      delay(LINGER_MS, undefined, { signal: answered.signal }).catch(() => undefined),
    );
    try {
      return await Promise.race([job.done, gone]);
    } catch (error) {
      if (isHangUp(error)) return undefined;
      throw error;
    } finally {
      answered.abort();
      this.#receiving = undefined;
      await job[Symbol.asyncDispose]();
    }
  }

  terminate(): void {
    this.#terminated = true;
    try {
      sendSignal(this.#pidfd, SIGKILL);
    } catch {
      // It has ended already: what was asked for.
    }
  }

  close(): void {
    this.#socket.close();
  }

  async hungUp(): Promise<HungUp> {
    this.#socket.close();
    const exit = await this.#exited;
    const terminated = this.#terminated;
    return { kind: 'hung-up', ...(exit === undefined ? {} : { exit }), stderr: this.stderr(), terminated };
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposed ??= this.#end();
    return this.#disposed;
  }

  async #end(): Promise<void> {
    this.#exchange.end();
    // The waiting job has a duplicate of the socket; CRIU sees the end only when that is closed as well.
    await this.#receiving?.[Symbol.asyncDispose]();
    this.#socket.close();
    if (!this.#exchange.becameCommand) await this.#exited;
    this.#pidfd.close();
    this.#stdout[Symbol.dispose]();
    this.#stderr[Symbol.dispose]();
  }
}

const FIRST_FREE_FD = 3;

function start(options: SwrkOptions, stdout: Tail, stderr: Tail): { readonly socket: Fd; readonly pidfd: Fd } {
  const inherit = options.inherit ?? [];
  const number = controlNumber(inherit.map(({ as }) => as));
  const [ours, theirs] = seqpacketPair();
  try {
    const { pidfd } = spawn({
      file: options.criu,
      argv: ['criu', ...(options.defaultConfig === false ? ['--no-default-config'] : []), 'swrk', String(number)],
      env: environment(options.env ?? process.env),
      fds: [
        ...(options.stdin === undefined ? [] : [{ fd: options.stdin, as: 0 }]),
        { fd: stdout.fd, as: 1 },
        { fd: stderr.fd, as: 2 },
        { fd: theirs, as: number },
        ...inherit,
      ],
      newProcessGroup: options.shellJob !== true,
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    });
    return { socket: ours, pidfd };
  } catch (cause) {
    ours.close();
    stdout[Symbol.dispose]();
    stderr[Symbol.dispose]();
    throw missing(options.criu, cause) ?? cause;
  } finally {
    theirs.close();
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

function environment(env: Readonly<Record<string, string | undefined>>): readonly string[] {
  return Object.entries(env).flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${value}`]));
}

function missing(path: string, cause: unknown): CheckpointError<'CRIU_MISSING'> | undefined {
  if (!CheckpointError.is(cause, 'IO') || !['ENOENT', 'EACCES', 'ENOTDIR'].includes(cause.detail.errno ?? ''))
    return undefined;
  const message = `Cannot start CRIU: "${path}" cannot be executed (${cause.detail.errno}). Run scripts/setup, or set FRAZIL_CRIU`;
  return new CheckpointError('CRIU_MISSING', message, { tried: [path] }, { cause });
}

function isHangUp(error: unknown): boolean {
  return CheckpointError.is(error, 'IO') && ['EPIPE', 'ECONNRESET', 'ENOTCONN'].includes(error.detail.errno ?? '');
}
