// The session over a CRIU that a runtime has started. Each notification is answered by Frazil first and then by the runtime, which
// may refuse as well; the runtime gets CRIU's own bytes. Requests that Frazil sends for itself (FEATURE_CHECK) it does not hear of.

import type { Fd } from '../../addon/fd.js';
import { type Message, receive } from '../../addon/sockets.js';
import { Exchange, type Received, type Wire } from '../../rpc/exchange.js';
import type { Answer, ExchangeOptions, HungUp, Notify, Request, Session, Verdict } from '../../rpc/session.js';
import type { CriuRequest, CriuResponse } from '../../schema/rpc.js';
import { decodeRequest, decodeResponse, encodeRequest } from '../../schema/rpc-codec.js';
import { forward } from './relay.js';

export interface SeatedConversation {
  /** Path of the real CRIU. */
  readonly criu: string;
  /** Of the seat, and of CRIU after it. */
  readonly pid: number;
  /** Our end of its control socket; closed by the session. */
  readonly control: Fd;
  /** Lent. */
  readonly runtime: Fd;
  /** Whether the runtime asked for notifications. */
  readonly notified: boolean;
}

export class SeatedSession implements Session, Wire {
  readonly kind = 'swrk';
  readonly criu: { readonly path: string };
  readonly pid: number;
  readonly #conversation: SeatedConversation;
  readonly #exchange = new Exchange(this);
  // A read under way has a duplicate of our end: CRIU sees us hang up when that is closed too.
  readonly #reading = new AbortController();
  readonly #leave: () => void;
  #next: Promise<Message | undefined>;
  #last: Message | undefined;
  #answer: CriuResponse | undefined;
  #terminated = false;
  readonly gone: Promise<unknown>;

  constructor(conversation: SeatedConversation) {
    this.#conversation = conversation;
    this.criu = { path: conversation.criu };
    this.pid = conversation.pid;
    let left = (): void => {};
    this.gone = new Promise<void>((resolve) => {
      left = resolve;
    });
    this.#leave = left;
    this.#next = this.#read();
  }

  /** What CRIU said at the end, for the runtime. */
  get answer(): CriuResponse | undefined {
    return this.#answer;
  }

  /** It is the runtime that has CRIU's standard output and error. */
  stdout(): string {
    return '';
  }

  stderr(): string {
    return '';
  }

  exchange<R extends Request>(request: R, options: ExchangeOptions = {}): Promise<Answer<R['kind']>> {
    return this.#exchange.run(request, { ...options, notify: this.#both(options.notify) });
  }

  #both(ours: Notify | undefined): Notify {
    return async (notification, held) => {
      const raw = this.#last;
      const verdict = (await ours?.(notification, held)) ?? PROCEED;
      if (verdict.kind === 'refuse' || raw === undefined || !this.#conversation.notified) return verdict;
      return this.#askRuntime(raw, held.signal);
    };
  }

  // A runtime that has gone cannot want this to go on.
  async #askRuntime(raw: Message, signal: AbortSignal): Promise<Verdict> {
    const { runtime } = this.#conversation;
    if (!forward(runtime, raw)) return REFUSE;
    const reply = await receive(runtime, { signal }).done;
    if (reply === undefined) return REFUSE;
    for (const fd of reply.fds) fd.close();
    const { notify_success, opts } = decodeRequest(reply.bytes);
    if (notify_success !== true) return REFUSE;
    return opts?.external === undefined ? PROCEED : { kind: 'proceed', external: opts.external };
  }

  send(request: CriuRequest): void {
    forward(this.#conversation.control, { bytes: encodeRequest(request), fds: [] });
  }

  async receive(): Promise<Received | undefined> {
    const message = await this.#next;
    if (message === undefined) return undefined;
    this.#next = this.#read();
    const response = decodeResponse(message.bytes);
    this.#last = message;
    if (response.type !== 'NOTIFY') this.#answer = response;
    return { response, fds: message.fds };
  }

  // Always one ahead: while a verdict is pending nothing else would tell that CRIU has died.
  async #read(): Promise<Message | undefined> {
    const { control } = this.#conversation;
    if (control.closed) return undefined;
    const message = await receive(control, { signal: this.#reading.signal }).done.catch(() => undefined);
    if (message === undefined) this.#leave();
    return message;
  }

  /** Without its socket a CRIU that has no task in its hands ends. */
  terminate(): void {
    this.#terminated = true;
    this.close();
  }

  close(): void {
    this.#conversation.control.close();
    this.#reading.abort();
    this.#leave();
  }

  async hungUp(): Promise<HungUp> {
    this.close();
    return { kind: 'hung-up', stderr: '', terminated: this.#terminated };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#exchange.end();
    this.close();
  }
}

const PROCEED: Verdict = { kind: 'proceed' };
const REFUSE: Verdict = { kind: 'refuse' };
