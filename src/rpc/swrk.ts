// The session over our own child: the default. One packet of the socket is one message; there is no length in front, so a stream
// socket, and thereby Node's child_process, could not carry it.

import type { ExitStatus } from '../addon/children.js';
import { hasHungUp, type Message, send } from '../addon/sockets.js';
import type { CriuRequest } from '../schema/rpc.js';
import { decodeResponse, encodeRequest } from '../schema/rpc-codec.js';
import { Exchange, type Received, type Wire } from './exchange.js';
import type { Answer, ExchangeOptions, HungUp, Request, Session } from './session.js';
import { SwrkChild, type SwrkOptions } from './swrk-child.js';

export type { SwrkOptions } from './swrk-child.js';

/** A session whose CRIU is our child. */
export interface OwnSession extends Session {
  /** Of CRIU; good until it has ended. */
  readonly pid: number;
  /** For a cell that holds a tree now: disposing waits for its end no longer. Resolves when the tree has ended. */
  handOver(): Promise<ExitStatus | undefined>;
}

/** Starts CRIU. Throws CRIU_MISSING when there is no such program, RangeError when a number in `inherit` is taken twice. */
export function openSwrk(options: SwrkOptions): OwnSession {
  return new SwrkSession(options);
}

class SwrkSession implements OwnSession, Wire {
  readonly kind = 'swrk';
  readonly criu: { readonly path: string };
  readonly #child: SwrkChild;
  readonly #exchange: Exchange;
  #disposed: Promise<void> | undefined;
  #handedOver = false;

  constructor(options: SwrkOptions) {
    this.criu = { path: options.criu };
    this.#child = new SwrkChild(options);
    this.#exchange = new Exchange(this);
  }

  get pid(): number {
    return this.#child.pid;
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
      if (!hasHungUp(error)) throw error;
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
    try {
      return await this.#child.receive();
    } catch (error) {
      if (hasHungUp(error)) return undefined;
      throw error;
    }
  }

  get gone(): Promise<unknown> {
    return this.#child.exited;
  }

  terminate(): void {
    this.#child.terminate();
  }

  close(): void {
    this.#child.hangUp();
  }

  async hungUp(): Promise<HungUp> {
    this.close();
    const exit = await this.#child.exited;
    const { terminated } = this.#child;
    return { kind: 'hung-up', ...(exit === undefined ? {} : { exit }), stderr: this.stderr(), terminated };
  }

  handOver(): Promise<ExitStatus | undefined> {
    this.#handedOver = true;
    this.#child.unref();
    return this.#child.exited;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposed ??= this.#end();
    return this.#disposed;
  }

  async #end(): Promise<void> {
    this.#exchange.end();
    this.close();
    if (!this.#exchange.becameCommand && !this.#handedOver) await this.#child.exited;
    this.#child.close();
  }
}
