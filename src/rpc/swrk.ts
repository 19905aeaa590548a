// The session over our own child: the default. One packet of the socket is one message; there is no length in front, so a stream
// socket, and thereby Node's child_process, could not carry it.
//
// End-of-file normally says that CRIU is gone. Not always: tasks that a killed CRIU was just restoring hold its socket too. So
// every wait for a message also watches the child.

import { setTimeout as delay } from 'node:timers/promises';
import type { Job } from '../addon/job.js';
import { type Message, receive, receiveSoon, send } from '../addon/sockets.js';
import { CheckpointError } from '../errors/checkpoint-error.js';
import type { CriuRequest } from '../schema/rpc.js';
import { decodeResponse, encodeRequest } from '../schema/rpc-codec.js';
import { Exchange, type Received, type Wire } from './exchange.js';
import type { Answer, ExchangeOptions, HungUp, Request, Session } from './session.js';
import { SwrkChild, type SwrkOptions } from './swrk-child.js';

export type { SwrkOptions } from './swrk-child.js';

/** Starts CRIU. Throws CRIU_MISSING when there is no such program, RangeError when a number in `inherit` is taken twice. */
export function openSwrk(options: SwrkOptions): Session {
  return new SwrkSession(options);
}

// How long our thread stands still for an answer that is about to come.
const SOON_US = 100;
/**
 * After CRIU's end, how long its last message may take from the kernel to us. Our thread may have to wait for a CPU that long on a busy
 * machine (50 ms were seen not to be enough). Only somebody else's hold on the socket makes us wait for all of it.
 */
const LINGER_MS = 2000;

class SwrkSession implements Session, Wire {
  readonly kind = 'swrk';
  readonly criu: { readonly path: string };
  readonly #child: SwrkChild;
  readonly #exchange: Exchange;
  #receiving: Job<Message | undefined> | undefined;
  #disposed: Promise<void> | undefined;

  constructor(options: SwrkOptions) {
    this.criu = { path: options.criu };
    this.#child = new SwrkChild(options);
    this.#exchange = new Exchange(this);
  }

  stdout(): string {
    return this.#child.stdout.text();
  }

  stderr(): string {
    return this.#child.stderr.text();
  }

  exchange<R extends Request>(request: R, options: ExchangeOptions = {}): Promise<Answer<R['kind']>> {
    return this.#exchange.run(request, options);
  }

  send(request: CriuRequest): void {
    try {
      send(this.#child.socket, encodeRequest(request));
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
    // CRIU answers what it knows within microseconds; a thread to wait for it costs a quarter of a millisecond.
    const answer = receiveSoon(this.#child.socket, SOON_US);
    if (answer !== undefined) return answer;
    const job = receive(this.#child.socket);
    this.#receiving = job;
    const answered = new AbortController();
    const gone = this.#child.exited.then(() => waitFor(LINGER_MS, answered.signal));
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
    this.#child.terminate();
  }

  close(): void {
    this.#child.socket.close();
  }

  async hungUp(): Promise<HungUp> {
    this.close();
    const exit = await this.#child.exited;
    const { terminated } = this.#child;
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
    this.close();
    if (!this.#exchange.becameCommand) await this.#child.exited;
    this.#child.close();
  }
}

async function waitFor(ms: number, signal: AbortSignal): Promise<undefined> {
  // Aborted: the message came after all.
  await delay(ms, undefined, { signal }).catch(() => undefined);
  return undefined;
}

function isHangUp(error: unknown): boolean {
  return CheckpointError.is(error, 'IO') && ['EPIPE', 'ECONNRESET', 'ENOTCONN'].includes(error.detail.errno ?? '');
}
