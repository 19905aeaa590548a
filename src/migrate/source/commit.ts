// The end of a migration at its source, while CRIU holds the frozen tree: follows the machine of protocol/source.ts until it is known
// where the tree lives.

import { CheckpointError } from '../../errors/checkpoint-error.js';
import { type SourceEffect, type SourceEvent, type SourceState, stepSource } from '../protocol/source.js';
import type { SourceChannel } from '../wire/connect.js';
import type { ToSource } from '../wire/messages.js';
import type { Fence } from './fence.js';
import { Line } from './line.js';

export interface CommitOptions {
  readonly id: string;
  /** None: our word was given before, on a connection that is lost. */
  readonly channel: SourceChannel | undefined;
  readonly fence: Fence;
  /** Awaited before the fence is raised. Rejecting with CheckpointError is as an abort. */
  readonly beforeFence?: () => Promise<void>;
  /** Another control stream to the same destination. Rejects when there is none to be had now. */
  readonly reconnect: () => Promise<SourceChannel>;
  readonly signal: AbortSignal;
  readonly onState: (state: SourceState, waiting: boolean) => void;
  /** Whether the copy can still be given the pages that it lacks. Default: nobody gives any. */
  readonly feeding?: () => boolean;
  /** How long to go on connecting to a destination that does not answer. Default: for ever. */
  readonly patienceMs?: number;
}

/** The tree lives there, or here. */
export type Outcome =
  | {
      readonly kind: 'moved';
      readonly pid: number;
      readonly at: Marks;
      readonly channel: SourceChannel;
      /** It needs nothing from here; else Commit.filled() says how that ends. */
      readonly whole: boolean;
    }
  | { readonly kind: 'stayed'; readonly failure: CheckpointError }
  /** Nobody answered for `patienceMs`. */
  | { readonly kind: 'undecided' };

/** Moments, as of performance.now(). */
export interface Marks {
  readonly prepared: number;
  readonly running: number;
}

/** How a copy ended that lacked pages. */
export type Fill =
  | { readonly kind: 'filled'; readonly channel: SourceChannel }
  /** It is gone, or nobody has answered there for long: `why`. */
  | { readonly kind: 'broken'; readonly why: string; readonly channel: SourceChannel | undefined };

// A destination that knows a copy which is about to end, or has ended, is there to say so; one that is not, is not.
const SILENCE_MS = 60_000;

/** All of the tree is on its way, and `restore` is said. */
export class Commit {
  readonly #options: CommitOptions;
  readonly #line: Line;
  #state: SourceState;
  #failure: CheckpointError | undefined;
  /** What the destination says of a copy that it has no more. */
  #why: string | undefined;
  #pid = 0;
  #prepared = 0;
  #running = 0;
  #impatient = false;

  /** `state`: where somebody else has stopped. */
  constructor(options: CommitOptions, state?: 'committing' | 'serving') {
    this.#options = options;
    this.#line = new Line(options.channel, options.reconnect);
    this.#state = state ?? 'frozen';
  }

  /** Never rejects, and does not end before it knows, or its patience does. */
  async outcome(): Promise<Outcome> {
    await this.#follow(['done', 'serving', 'aborted']);
    if ((this.#state === 'done' || this.#state === 'serving') && this.#line.channel !== undefined)
      return {
        kind: 'moved',
        pid: this.#pid,
        at: { prepared: this.#prepared, running: this.#running },
        channel: this.#line.channel,
        whole: this.#state === 'done',
      };
    if (this.#impatient) return { kind: 'undecided' };
    return { kind: 'stayed', failure: this.#failure ?? gone('the destination has given up', undefined) };
  }

  /** Of an outcome that is not whole. Never rejects; who keeps what is left is told by how it ends. */
  async filled(): Promise<Fill> {
    this.#failure = undefined;
    this.#line.answered();
    await this.#follow(['done', 'broken']);
    if (this.#state === 'done' && this.#line.channel !== undefined)
      return { kind: 'filled', channel: this.#line.channel };
    const why = this.#why ?? 'nobody answers there';
    return { kind: 'broken', why, channel: this.#impatient ? undefined : this.#line.channel };
  }

  async #follow(ends: readonly SourceState[]): Promise<void> {
    while (!ends.includes(this.#state)) {
      const event: SourceEvent = this.#silent() ? { kind: 'silent' } : await this.#next();
      const { state, effects } = stepSource(this.#state, event);
      this.#state = state;
      this.#options.onState(state, effects.includes('connect'));
      await this.#performAll(effects);
      if (this.#impatient && this.#state !== 'serving') return;
    }
  }

  #silent(): boolean {
    return this.#impatient && this.#state === 'serving';
  }

  async #next(): Promise<SourceEvent> {
    const heard = this.#listen();
    // In the window where only the destination knows, an abort is not heard: it would change nothing.
    if (this.#state === 'committing' || this.#state === 'serving') return heard;
    return Promise.race([heard, this.#aborted()]);
  }

  async #listen(): Promise<SourceEvent> {
    try {
      const got = await this.#line.receive();
      if (got !== undefined) return this.#eventOf(got.message);
      this.#failure ??= gone('the connection to the destination was lost', undefined);
    } catch (error) {
      if (CheckpointError.is(error)) this.#failure ??= error;
    }
    return { kind: 'lost' };
  }

  #eventOf(message: ToSource): SourceEvent {
    switch (message.type) {
      case 'prepared':
        this.#prepared = performance.now();
        return { kind: 'prepared' };
      case 'running':
        if (this.#running === 0) this.#running = performance.now();
        this.#pid = message.pid;
        this.#line.answered();
        if (message.whole) return { kind: 'running' };
        return { kind: this.#options.feeding?.() === true ? 'lacking' : 'dying' };
      case 'gone':
        this.#why = message.message;
        this.#failure ??= gone(message.message, message.code);
        return { kind: 'gone' };
      case 'unknown':
        return { kind: 'unknown' };
      default:
        // That a level has come in was not waited for.
        return { kind: 'frozen' };
    }
  }

  async #aborted(): Promise<SourceEvent> {
    const { signal } = this.#options;
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    this.#failure ??= new CheckpointError(
      'ABORTED',
      'Cannot finish the migration: the caller aborted it. The tree runs on here',
      {},
      { cause: signal.reason },
    );
    return { kind: 'abort' };
  }

  async #performAll(effects: readonly SourceEffect[]): Promise<void> {
    try {
      for (const effect of effects) await this.#perform(effect);
    } catch (error) {
      // Only what comes before the fence fails: `go` was not sent.
      this.#failure = CheckpointError.is(error) ? error : switchFailed(error);
      this.#state = 'aborted';
      await this.#perform('send-abort');
    }
  }

  async #perform(effect: SourceEffect): Promise<void> {
    switch (effect) {
      case 'fence':
        // First of all somebody who takes over, then the fence.
        await this.#options.beforeFence?.();
        return this.#options.fence.raise();
      case 'send-go':
        return this.#line.channel?.send({ type: 'go' });
      case 'send-abort':
        return this.#line.channel?.send({ type: 'abort' });
      case 'send-ask':
        return this.#line.channel?.send({ type: 'ask', id: this.#options.id });
      case 'connect':
        return this.#connect();
      case 'send-done':
        // That it is killed here, or kept, others have to say first; who called us passes it on.
        if (this.#state === 'aborted') await this.#line.channel?.send({ type: 'done' });
        return undefined;
      default:
        // kill, resume, keep: what CRIU is answered is for who called us to say.
        return undefined;
    }
  }

  async #connect(): Promise<void> {
    const patienceMs = this.#state === 'serving' ? SILENCE_MS : (this.#options.patienceMs ?? Number.POSITIVE_INFINITY);
    this.#impatient = !(await this.#line.renew(patienceMs));
    if (this.#impatient) return;
    for (const effect of stepSource(this.#state, { kind: 'connected' }).effects) await this.#perform(effect);
  }
}

function gone(why: string, code: string | undefined): CheckpointError {
  const message = `Cannot migrate: ${why}. The tree runs on here`;
  if (code === undefined) return new CheckpointError('IO', message, { syscall: 'recv', errno: 'ECONNRESET' });
  return new CheckpointError('RESTORE_REFUSED', message, { causes: [], logExcerpt: [] });
}

function switchFailed(cause: unknown): CheckpointError<'IO'> {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new CheckpointError(
    'IO',
    `Cannot migrate: the network was not switched: ${why}. The tree runs on here`,
    {},
    { cause },
  );
}
