// One exchange, and the rules of which may follow which. It knows the protocol and no socket, so that a test can drive it by hand.
//
//   fresh ── any request ──▶ busy ── answer ──▶ spent
//                             │ keepOpen ─────▶ open (any request)
//                             └ PRE_DUMP ─────▶ pre-dumping (PRE_DUMP again, or the final DUMP)

import type { Fd } from '../addon/fd.js';
import { CheckpointError } from '../errors/checkpoint-error.js';
import type { CriuFeatures, CriuRequest, CriuResponse } from '../schema/rpc.js';
import { answerOf } from './answer.js';
import { abortedError, expectServed } from './failure.js';
import { assertConfigFile, assertMemTrack, assertSendable, type Features, keepsOpen, needsMemTrack } from './guard.js';
import { notificationOf, replyTo, scriptOf } from './notification.js';
import type {
  Answer,
  ExchangeOptions,
  FeatureName,
  HungUp,
  Notification,
  Refused,
  Request,
  RequestKind,
} from './session.js';
import { type Asking, askCaller } from './verdict.js';
import { isKillable, watchAbort } from './watch-abort.js';

export interface Received {
  readonly response: CriuResponse;
  readonly fds: readonly Fd[];
}

/** What the exchange needs of a connection. */
export interface Wire {
  send(request: CriuRequest): void;
  /** `undefined` when CRIU is gone. The receiver owns the fds. Rejects with PROTOCOL for what is not a response. */
  receive(): Promise<Received | undefined>;
  /** Resolves when CRIU has ended. */
  readonly gone: Promise<unknown>;
  /** Ends CRIU without asking it. */
  terminate(): void;
  /** Hangs up: CRIU ends, after it has let go of what it was working on. */
  close(): void;
  /** How CRIU ended, when it has. */
  hungUp(): Promise<HungUp>;
}

type State = 'fresh' | 'busy' | 'open' | 'pre-dumping' | 'spent';

export class Exchange {
  readonly #wire: Wire;
  #state: State = 'fresh';
  #before: State = 'fresh';
  #features: Features | undefined;
  #becameCommand = false;
  #inFlight: RequestKind | undefined;
  #ended = false;
  /** Aborted by end(). Made when somebody wants to hear of it. */
  #ending: AbortController | undefined;

  constructor(wire: Wire) {
    this.#wire = wire;
  }

  async run<R extends Request>(request: R, options: ExchangeOptions): Promise<Answer<R['kind']>> {
    throwIfAborted(request.kind, options);
    assertSendable(request);
    this.#enter(request.kind);
    await this.#prepare(request, options);
    return this.#converse<R['kind']>(request, options);
  }

  /** No further request; one in flight rejects with ABORTED. */
  end(): void {
    this.#state = 'spent';
    this.#ended = true;
    this.#ending?.abort();
    if (this.#inFlight !== undefined && isKillable(this.#inFlight)) this.#wire.terminate();
  }

  /** After a restore with `exec_cmd` CRIU has become that command, which is not to be waited for. */
  get becameCommand(): boolean {
    return this.#becameCommand;
  }

  #enter(kind: RequestKind): void {
    const state = this.#state;
    if (state === 'busy') throw new RangeError(`Cannot send ${kind}: the session takes one request at a time`);
    if (state === 'spent')
      throw new RangeError(`Cannot send ${kind}: the session is spent. Open another, or use keepOpen`);
    if (state === 'pre-dumping' && kind !== 'PRE_DUMP' && kind !== 'DUMP')
      throw new RangeError(`Cannot send ${kind}: after PRE_DUMP only PRE_DUMP and one DUMP may follow`);
    this.#before = state;
    this.#state = 'busy';
  }

  /** The checks that need to look around. A request that fails them leaves the session as it was. */
  async #prepare(request: Request, options: ExchangeOptions): Promise<void> {
    try {
      await assertConfigFile(request);
      if (needsMemTrack(request)) assertMemTrack(request, await this.#featuresOnce(options));
      throwIfAborted(request.kind, options);
    } catch (error) {
      if (this.#state === 'busy') this.#state = this.#before;
      throw error;
    }
  }

  /** Asked once per session, on the same connection, which CRIU keeps open for it. */
  async #featuresOnce({ signal }: ExchangeOptions): Promise<Features> {
    if (this.#features !== undefined) return this.#features;
    const request = { kind: 'FEATURE_CHECK', features: ['mem_track'], keepOpen: true } as const;
    const answer = await this.#converse<'FEATURE_CHECK'>(request, signal === undefined ? {} : { signal });
    const { features } = expectServed(answer, { request: 'FEATURE_CHECK', signal });
    this.#features = features;
    this.#before = 'open';
    this.#state = 'busy';
    return features;
  }

  async #converse<K extends RequestKind>(request: Request, options: ExchangeOptions): Promise<Answer<K>> {
    this.#inFlight = request.kind;
    const unwatch = watchAbort(request.kind, options, () => this.#wire.terminate());
    try {
      this.#wire.send(messageOf(request));
      const answer = await this.#listen<K>(request.kind as K, options);
      if (this.#ended) throw disposed(request.kind);
      this.#leave(request, answer);
      return answer;
    } catch (error) {
      this.#state = 'spent';
      throw this.#ended ? disposed(request.kind, error) : error;
    } finally {
      unwatch();
      this.#inFlight = undefined;
    }
  }

  #leave(request: Request, answer: Answer): void {
    if (this.#state === 'spent') return;
    if (answer.kind === 'hung-up') this.#state = 'spent';
    else if (keepsOpen(request)) this.#state = 'open';
    else if (request.kind === 'PRE_DUMP' && answer.kind === 'served') this.#state = 'pre-dumping';
    else this.#state = 'spent';
    if (request.kind === 'RESTORE' && answer.kind === 'served')
      this.#becameCommand = (request.opts.exec_cmd ?? []).length > 0;
  }

  async #listen<K extends RequestKind>(kind: K, options: ExchangeOptions): Promise<Answer<K>> {
    let refusedAt: string | undefined;
    let thrown: { readonly error: unknown } | undefined;
    for (;;) {
      const received = await this.#receive();
      if (received?.response.type !== 'NOTIFY') {
        const answer = received === undefined ? await this.#wire.hungUp() : finalAnswer(kind, received);
        if (thrown !== undefined) throw thrown.error;
        return withRefusal(answer, refusedAt);
      }
      const notification = this.#read(received);
      const asked = await askCaller(notification, this.#asking(options));
      if (asked.verdict.kind === 'refuse') refusedAt ??= scriptOf(notification);
      thrown ??= asked.thrown;
      this.#wire.send(replyTo(thrown === undefined ? asked.verdict : { kind: 'refuse' }));
    }
  }

  #asking({ notify, signal }: ExchangeOptions): Asking {
    this.#ending ??= new AbortController();
    if (this.#ended) this.#ending.abort();
    return { notify, signal: eitherOf(signal, this.#ending.signal), gone: this.#wire.gone };
  }

  async #receive(): Promise<Received | undefined> {
    try {
      return await this.#wire.receive();
    } catch (error) {
      // Hanging up is the only refusal left: CRIU lets the tree run, or kills what it was restoring.
      this.#wire.close();
      throw error;
    }
  }

  #read({ response, fds }: Received): Notification {
    try {
      const notification = notificationOf(response, fds);
      if (notification.kind !== 'orphan-pts-master') closeAll(fds);
      return notification;
    } catch (error) {
      closeAll(fds);
      this.#wire.close();
      throw error;
    }
  }
}

function eitherOf(signal: AbortSignal | undefined, ended: AbortSignal): AbortSignal {
  return signal === undefined ? ended : AbortSignal.any([signal, ended]);
}

function throwIfAborted(request: RequestKind, { signal }: ExchangeOptions): void {
  if (signal?.aborted === true) throw abortedError({ request, signal });
}

function disposed(request: RequestKind, cause?: unknown): CheckpointError<'ABORTED'> {
  return new CheckpointError('ABORTED', `Cannot finish ${request}: the session was disposed`, {}, { cause });
}

function finalAnswer<K extends RequestKind>(kind: K, { response, fds }: Received): Answer<K> {
  closeAll(fds);
  return answerOf(kind, response);
}

function closeAll(fds: readonly Fd[]): void {
  for (const fd of fds) fd.close();
}

function withRefusal<K extends RequestKind>(answer: Answer<K>, refusedAt: string | undefined): Answer<K> {
  const refused: Answer = answer;
  return refused.kind === 'refused' && refusedAt !== undefined ? ({ ...refused, refusedAt } satisfies Refused) : answer;
}

function messageOf(request: Request): CriuRequest {
  const keep = keepsOpen(request) ? { keep_open: true } : {};
  switch (request.kind) {
    case 'VERSION':
      return { type: 'VERSION', ...keep };
    case 'FEATURE_CHECK':
      return { type: 'FEATURE_CHECK', ...keep, features: featuresAsked(request.features) };
    case 'WAIT_PID':
      return { type: 'WAIT_PID', pid: request.pid };
    case 'PRE_DUMP':
    case 'SINGLE_PRE_DUMP':
      // CRIU turns tracking on by itself, but after the check whether the kernel has it.
      return { type: request.kind, opts: { ...request.opts, track_mem: true } };
    default:
      return { type: request.kind, ...keep, opts: request.opts };
  }
}

function featuresAsked(names: readonly FeatureName[]): CriuFeatures {
  return Object.fromEntries(names.map((name) => [name, true]));
}
