// One migration at its destination: follows the machine of protocol/destination.ts and does what it says. Events are taken one after
// the other, each with its effects; a control stream may be replaced by another, when the source comes back and asks.

import type { Tree } from '../../criu/tree.js';
import { CheckpointError } from '../../errors/checkpoint-error.js';
import type { NetworkSwitch } from '../network/switch.js';
import {
  type DestinationEffect,
  type DestinationEvent,
  type DestinationState,
  stepDestination,
} from '../protocol/destination.js';
import type { TreePiece } from '../wire/container-messages.js';
import type { DestinationChannel } from '../wire/listen.js';
import { goneAfter, type RestoreNeeds, type ToDestination, type ToSource } from '../wire/messages.js';
import { AddressedCopy } from './addressed-copy.js';
import type { Copy, Held } from './copy.js';
import type { Extent, Levels } from './levels.js';

export interface ReceptionOptions {
  readonly levels: Levels;
  /** Starts to restore from the folder of the final level. */
  readonly makeCopy: (directory: string, needs: RestoreNeeds, extent: Extent) => Promise<Copy>;
  /** Takes files of a container. Rejects as it likes. */
  readonly writeTree: (piece: TreePiece, bytes: Uint8Array) => Promise<void>;
  /** What a restore would find here now: fill-rate.ts, pace.ts. */
  readonly measure: () => Promise<Figures>;
  readonly networkSwitch: NetworkSwitch | undefined;
  /** Sees to it that somebody can answer for the held copy when this process is killed. */
  readonly record: (held: Held, extent: Extent) => Promise<void>;
  /** The same of a copy that has got all of its pages. */
  readonly recordFilled: () => Promise<void>;
}

type Figures = Pick<Extract<ToSource, { type: 'level-done' }>, 'fillBytesPerSecond' | 'paceMs'>;

export class Reception {
  readonly #options: ReceptionOptions;
  readonly #copy: AddressedCopy;
  #state: DestinationState = 'receiving';
  #channel: DestinationChannel;
  #extent: Extent = 'whole';
  #held: Held = { root: 0, criu: 0 };
  #tree: Tree | undefined;
  #failure: unknown;
  #lost = false;
  #lingering: NodeJS.Timeout | undefined;
  #begun = 0;
  #queue: Promise<void> = Promise.resolve();
  #intake: Promise<void> = Promise.resolve();
  #settle: () => void = () => {};
  #decide: () => void = () => {};
  /** Resolves when the copy runs, or when there will be none. */
  readonly decided = new Promise<void>((resolve) => {
    this.#decide = resolve;
  });
  /** Resolves when this has ended one way or the other, with the source told as far as possible. */
  readonly ended = new Promise<void>((resolve) => {
    this.#settle = resolve;
  });

  constructor(channel: DestinationChannel, options: ReceptionOptions) {
    this.#channel = channel;
    this.#options = options;
    this.#copy = new AddressedCopy(options.networkSwitch);
  }

  /** The running copy. */
  get tree(): Tree | undefined {
    return this.#tree;
  }

  /** Why there is no copy. */
  get failure(): unknown {
    return this.#failure;
  }

  /** Listens to `channel` until it ends; `first` is what it is waited for already. */
  async follow(channel: DestinationChannel, first = channel.receive()): Promise<void> {
    try {
      for (let got = await first; got !== undefined; got = await channel.receive())
        await this.#hear(got.message, got.bytes);
    } catch (error) {
      this.#failure ??= error;
    }
    // One that was replaced has nothing more to say.
    if (channel !== this.#channel) return;
    this.#lost = true;
    await this.dispatch({ kind: 'lost' });
  }

  /** The source has come back on another connection. */
  async ask(channel: DestinationChannel): Promise<void> {
    const old = this.#channel;
    this.#channel = channel;
    this.#lost = false;
    old.destroy();
    await this.dispatch({ kind: 'ask' });
    await this.follow(channel);
  }

  dispatch(event: DestinationEvent): Promise<void> {
    this.#queue = this.#queue.then(() => this.#step(event));
    return this.#queue;
  }

  /** Gives up, unless it is too late. */
  async abort(reason: unknown): Promise<void> {
    this.#failure ??= reason;
    await this.dispatch({ kind: 'failed' });
  }

  async #hear(message: ToDestination, bytes: Buffer): Promise<void> {
    switch (message.type) {
      case 'level':
        return this.#take(message);
      case 'file':
        return this.#orFail(this.#options.levels.write(message.name, bytes));
      case 'tree':
        return this.#orFail(this.#options.writeTree(message, bytes));
      case 'restore':
      case 'go':
      case 'abort':
      case 'done':
        return this.dispatch({ kind: message.type });
      default:
        throw new CheckpointError('PROTOCOL', `Cannot go on: "${message.type}" in the middle of a migration`, {
          received: message.type,
        });
    }
  }

  // Not waited for: messages that follow belong to this level, and an abort may come.
  #take({ number, final, lacking }: Extract<ToDestination, { type: 'level' }>): void {
    this.#extent = final !== undefined && lacking ? 'lacking' : 'whole';
    const { made, whole } = this.#options.levels.receive(number, this.#extent);
    this.#intake = whole;
    if (final !== undefined) this.#prepare(made, final);
    else void this.#orFail(this.#tellWhen(number, whole));
  }

  async #tellWhen(number: number, whole: Promise<void>): Promise<void> {
    // Beside the pages that come in.
    const [figures] = await Promise.all([this.#options.measure(), whole]);
    await this.#send({ type: 'level-done', number, ...figures });
  }

  // Its level is not waited for by the source: `prepared` says more.
  #prepare(made: Promise<string>, needs: RestoreNeeds): void {
    void this.#orFail(this.#intake);
    this.#copy.prepare(() => made.then((directory) => this.#options.makeCopy(directory, needs, this.#extent)));
    if (this.#extent === 'lacking') void this.#orFail(this.#tellReady());
  }

  // Nothing of such a tree gets old while it is waited for; so it is not frozen before there is somebody to restore it.
  async #tellReady(): Promise<void> {
    await this.#copy.ready();
    await this.#send({ type: 'ready' });
  }

  async #orFail(work: Promise<unknown>): Promise<void> {
    try {
      await work;
    } catch (error) {
      await this.abort(error);
    }
  }

  async #step(event: DestinationEvent): Promise<void> {
    const { state, effects } = stepDestination(this.#state, event);
    this.#state = state;
    try {
      for (const effect of effects) await this.#perform(effect);
    } catch (error) {
      // What was not written down, or not let go, is not to run.
      void this.abort(error);
    }
    if (state === 'gone' || state === 'running' || state === 'filling') this.#decide();
    if (state === 'settled' || (state === 'gone' && !this.#mayAsk(event))) this.#settle();
    else if (state === 'gone' || (state === 'running' && this.#lost)) this.#linger();
  }

  // Until it says that it knows, a source that was told "prepared" may come back to ask; not one that has given up by itself.
  #mayAsk(event: DestinationEvent): boolean {
    return this.#held.root !== 0 && event.kind !== 'done' && event.kind !== 'abort';
  }

  async #perform(effect: DestinationEffect): Promise<void> {
    switch (effect) {
      case 'start-restore':
        return void this.#restore();
      case 'send-prepared':
        return this.#send({ type: 'prepared', pid: this.#held.root, restoreMs: this.#elapsed() });
      case 'record':
        return this.#options.record(this.#held, this.#extent);
      case 'record-filled':
        return this.#options.recordFilled();
      case 'resume':
        return void this.#resume();
      case 'remove':
        return this.#copy.remove();
      case 'send-running':
      case 'send-lacking':
        return this.#send({
          type: 'running',
          pid: this.#tree?.pid ?? 0,
          resumeMs: this.#elapsed(),
          whole: effect === 'send-running',
        });
      default:
        return this.#send(goneAfter(this.#failure));
    }
  }

  #restore(): void {
    const restored = this.#intake.then(async () => {
      this.#begun = performance.now();
      this.#held = await this.#copy.restore(this.#options.levels.inventory);
      await this.dispatch({ kind: 'held' });
    });
    void this.#orFail(restored);
  }

  #resume(): void {
    this.#begun = performance.now();
    const resumed = this.#copy.resume().then(async (tree) => {
      this.#tree = tree;
      await this.dispatch({ kind: tree.filling === undefined ? 'resumed' : 'lacking' });
      tree.filling?.done.then(
        () => this.dispatch({ kind: 'filled' }),
        (error: unknown) => {
          this.#failure = error;
          return this.dispatch({ kind: 'broken' });
        },
      );
    });
    void this.#orFail(resumed);
  }

  // The source may come back to ask for as long as it has not heard; but perhaps nobody is left to come.
  #linger(): void {
    this.#lingering ??= setTimeout(() => this.#settle(), LINGER_MS);
    void this.ended.then(() => clearTimeout(this.#lingering));
  }

  #elapsed(): number {
    return performance.now() - this.#begun;
  }

  async #send(message: ToSource): Promise<void> {
    await this.#channel.send(message);
  }
}

/** How long a source that has not heard the end of it is waited for. */
const LINGER_MS = 300_000;
