// The receive verb: a listening destination that takes migrations in, one after the other or side by side.

import type { Tree } from '../criu/tree.js';
import { CheckpointError } from '../errors/checkpoint-error.js';
import { type LockedFolder, openLockedFolder } from '../images/locked-folder.js';
import { admit, refused } from './destination/admission.js';
import { type Guardian, startGuardian } from './destination/guarded.js';
import type { ReceiveOptions } from './destination/options.js';
import type { Reception } from './destination/reception.js';
import { take } from './destination/taking.js';
import { type AcceptedVessel, type ArrivedContainer, arrivedOf } from './destination/vessel.js';
import { type Address, formatAddress, parseAddress } from './wire/address.js';
import { type DestinationLink, type Listener, listen } from './wire/listen.js';
import { goneAfter, type Hello, shortened } from './wire/messages.js';
import { type DestinationSecurity, destinationSecurity } from './wire/security.js';

export type { ReceiveOptions } from './destination/options.js';
export type { ArrivedContainer } from './destination/vessel.js';

/** What became of one migration. */
export type Arrival =
  | {
      readonly kind: 'running';
      readonly id: string;
      readonly tree: Tree;
      readonly wireBytes: number;
      /** When it is one: its runtime knows it. */
      readonly container?: ArrivedContainer;
    }
  /** No task of it is here. */
  | { readonly kind: 'gone'; readonly id: string; readonly failure: unknown };

export interface Receiver extends AsyncDisposable {
  /** Where it listens, as migrate() wants it. */
  readonly address: string;
  /** What the next source needs to be let in; another one after each migration. Absent with plaintext or certificates. */
  readonly token: string | undefined;
  /** How many migrations have begun of which arrivals() has not told yet. */
  readonly underWay: number;
  /** Each migration as it ends; ends with the receiver. */
  arrivals(): AsyncGenerator<Arrival>;
  /**
   * Waits for migrations that are being received, then stops listening. Trees that run here run on. A source that has not heard that
   * its tree runs here could not find out afterwards, so this waits for its word, too.
   */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Listens for migrations. Rejects with IO when the address cannot be had; throws RangeError for an address that is none.
 */
export async function receive(options: ReceiveOptions): Promise<Receiver> {
  const address = parseAddress(options.listen);
  return Receiving.open(options, address, destinationSecurity(options, address));
}

class Receiving implements Receiver {
  readonly #options: ReceiveOptions;
  readonly #receptions = new Map<string, Reception>();
  readonly #begun = new Set<Hello>();
  readonly #arrived: Arrival[] = [];
  readonly #serving = new Set<Promise<void>>();
  readonly #ending = new AbortController();
  readonly #folder: LockedFolder;
  #listener: Listener | undefined;
  #guardian: Guardian | undefined;
  #wake: () => void = () => {};

  static async open(options: ReceiveOptions, where: Address, security: DestinationSecurity): Promise<Receiver> {
    const receiving = new Receiving(options, await openFolder(options.directory));
    try {
      receiving.#listener = await listen(where, security, (link) => receiving.#admit(link));
    } catch (error) {
      await receiving.#leave();
      throw error;
    }
    options.signal?.addEventListener('abort', () => receiving.#ending.abort(options.signal?.reason), { once: true });
    return receiving;
  }

  private constructor(options: ReceiveOptions, folder: LockedFolder) {
    this.#options = options;
    this.#folder = folder;
  }

  get address(): string {
    return this.#listener === undefined ? '' : formatAddress(this.#listener.address);
  }

  get token(): string | undefined {
    return this.#listener?.token;
  }

  get underWay(): number {
    return this.#begun.size + this.#arrived.length;
  }

  async *arrivals(): AsyncGenerator<Arrival> {
    while (!this.#ending.signal.aborted) {
      const next = this.#arrived.shift();
      if (next !== undefined) yield next;
      else
        await new Promise<void>((wake) => {
          this.#wake = wake;
          this.#ending.signal.addEventListener('abort', () => wake(), { once: true });
        });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort(new Error('the receiver was disposed'));
    for (const reception of this.#receptions.values()) await reception.abort(this.#ending.signal.reason);
    await Promise.all(this.#serving);
    await this.#listener?.[Symbol.asyncDispose]();
    await this.#leave();
  }

  async #leave(): Promise<void> {
    // One that has ended has nothing to answer for any more.
    await this.#guardian?.tell({ kind: 'bye' }).catch(() => {});
    await this.#folder.remove();
    this.#folder[Symbol.dispose]();
  }

  // Started with the first migration: one answers for all.
  #guard(listener: Listener): Guardian {
    using socket = listener.socket();
    const { fd: lock, path: folder } = this.#folder;
    const { address } = listener;
    this.#guardian ??= startGuardian({ socket, lock, folder, socketPath: address.kind === 'unix' ? address.path : '' });
    return this.#guardian;
  }

  #admit(link: DestinationLink): void {
    const served = this.#serve(link).catch(() => link.channel.destroy());
    this.#serving.add(served);
    void served.finally(() => this.#serving.delete(served));
  }

  async #serve(link: DestinationLink): Promise<void> {
    const message = (await link.channel.receive())?.message;
    switch (message?.type) {
      case 'hello':
        if (!link.fresh) return link.channel.destroy();
        return this.#welcome(link, message).finally(() => this.#begun.delete(message));
      case 'ask':
        return this.#answer(link, message.id);
      default:
        link.channel.destroy();
    }
  }

  async #answer(link: DestinationLink, id: string): Promise<void> {
    const reception = this.#receptions.get(id);
    if (reception !== undefined) return reception.ask(link.channel);
    await link.channel.send({ type: 'unknown' });
    await link.channel.close();
  }

  async #welcome(link: DestinationLink, hello: Hello): Promise<void> {
    const { id } = hello;
    const known = (asked: string): boolean => this.#receptions.has(asked);
    if (!known(id)) this.#begun.add(hello);
    const admitted = await admit(hello, { options: this.#options, known, ending: this.#ending.signal });
    if ('refusal' in admitted) {
      const { code, why } = admitted.refusal;
      await link.channel.send({ type: 'gone', code, message: shortened(why) });
      // Of the one that is known its own end tells.
      if (!known(id)) this.#arrive(hello, { kind: 'gone', id, failure: refused(hello, admitted.refusal) });
      return link.channel.close();
    }
    await using vessel = admitted;
    await this.#take(link, hello, vessel).catch(async (failure: unknown) => {
      // What became of it is, or will be, told by its reception.
      if (known(id)) return link.channel.destroy();
      await link.channel.send(goneAfter(failure));
      this.#arrive(hello, { kind: 'gone', id, failure });
      await link.channel.close();
    });
  }

  #take(link: DestinationLink, hello: Hello, vessel: AcceptedVessel): Promise<void> {
    const listener = this.#listener as Listener;
    const { id } = hello;
    return take({
      link,
      hello,
      vessel,
      options: this.#options,
      listener,
      // Before the source goes on: from its first answer there is somebody to clear up after us.
      guardian: this.#guard(listener),
      folder: this.#folder.path,
      ending: this.#ending.signal,
      onReception: (reception) => this.#receptions.set(id, reception),
      onDecided: ({ tree, failure }, wireBytes) =>
        this.#arrive(
          hello,
          tree === undefined
            ? { kind: 'gone', id, failure }
            : { kind: 'running', id, tree, wireBytes, ...arrivedOf(vessel.container) },
        ),
    });
  }

  #arrive(hello: Hello, arrival: Arrival): void {
    this.#begun.delete(hello);
    this.#arrived.push(arrival);
    this.#wake();
  }
}

const PREFIX = 'frazilreceive-';

async function openFolder(directory = '/dev/shm'): Promise<LockedFolder> {
  try {
    return await openLockedFolder(directory, PREFIX);
  } catch (cause) {
    if (CheckpointError.is(cause)) throw cause;
    const { code: errno = 'unknown', path = directory } = cause as NodeJS.ErrnoException;
    const message = `Cannot make a folder for images in "${directory}": ${errno}`;
    throw new CheckpointError('IO', message, { errno, path }, { cause });
  }
}
