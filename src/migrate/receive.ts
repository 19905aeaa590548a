// The receive verb: a listening destination that takes migrations in, one after the other or side by side.

import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Fd } from '../addon/fd.js';
import { pageCodecs } from '../addon/page-streams.js';
import type { Tree } from '../criu/tree.js';
import { CheckpointError } from '../errors/checkpoint-error.js';
import { type LockedFolder, openLockedFolder } from '../images/locked-folder.js';
import type { Arrival as ContainerArrival } from '../runtime/moved/arrival.js';
import { makeCopy } from './destination/copy.js';
import { makeSample, measureFillRate } from './destination/fill-rate.js';
import { type Guardian, startGuardian } from './destination/guarded.js';
import { type Extent, openLevels } from './destination/levels.js';
import type { ReceiveOptions } from './destination/options.js';
import { preflight } from './destination/preflight.js';
import { Reception } from './destination/reception.js';
import { type AcceptedVessel, type ArrivedContainer, arrivedOf, openVessel } from './destination/vessel.js';
import { openPace } from './pace.js';
import { type Address, formatAddress, parseAddress } from './wire/address.js';
import { type LeftConnection, openLeft } from './wire/left.js';
import { type DestinationLink, type Listener, listen } from './wire/listen.js';
import { PROTOCOL_VERSION, type ToDestination } from './wire/messages.js';
import { type DestinationSecurity, destinationSecurity } from './wire/security.js';

type Hello = Extract<ToDestination, { type: 'hello' }>;

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
  readonly #arrived: Arrival[] = [];
  readonly #underWay = new Set<Promise<void>>();
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
    await Promise.all(this.#underWay);
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
    this.#underWay.add(served);
    void served.finally(() => this.#underWay.delete(served));
  }

  async #serve(link: DestinationLink): Promise<void> {
    const first = await link.channel.receive();
    switch (first?.message.type) {
      case 'hello':
        if (!link.fresh) return link.channel.destroy();
        return this.#welcome(link, first.message);
      case 'ask':
        return this.#answer(link, first.message.id);
      default:
        link.channel.destroy();
    }
  }

  async #answer(link: DestinationLink, id: string): Promise<void> {
    const reception = this.#receptions.get(id);
    if (reception !== undefined) return reception.ask(link.channel);
    await link.channel.send({ type: 'unknown' });
    link.channel.close();
  }

  async #welcome({ channel, keyOf, leftKeys }: DestinationLink, hello: Hello): Promise<void> {
    const listener = this.#listener as Listener;
    await using vessel = await this.#accept(channel, hello);
    if (vessel === undefined) return;
    const { container } = vessel;
    const { id } = hello;
    const session = randomBytes(16).toString('hex');
    const joined = listener.streams(session, hello.streams + (hello.leaves ? 1 : 0), this.#ending.signal);
    // Before the source goes on: from its first answer there is somebody to clear up after us.
    const guardian = this.#guard(listener);
    await channel.send({ type: 'welcome', session, codecs: pageCodecs(), rootThere: container?.rootThere === true });
    const streams = [...(await joined)];
    const [leftStream] = streams.splice(hello.streams);
    await using left = leftStream && openLeft(leftStream, leftKeys(), 'destination');
    const keys = streams.map((_, i) => keyOf(i)).filter((key) => key !== undefined);
    const directory = join(this.#folder.path, id);
    const workDir = join(directory, 'work');
    await mkdir(workDir, { mode: 0o700, recursive: true });
    await using levels = openLevels({
      directory,
      streams,
      keys: keys.length === 0 ? undefined : keys,
      maxBytes: hello.maxBytes,
      signal: this.#ending.signal,
    });
    const sample = await makeSample(directory);
    const pace = openPace(this.#options.criu, this.#ending.signal);
    const reception = new Reception(channel, {
      levels,
      makeCopy: async (folder, needs, extent) => {
        if (extent === 'lacking' && (left === undefined || container !== undefined)) throw unannounced();
        if (container !== undefined) return container.makeCopy({ directory: folder, workDir, needs });
        const { restore, criu } = this.#options;
        const { descriptors: _descriptors, ...told } = needs;
        return makeCopy({
          directory: folder,
          workDir,
          options: { ...told, ...restore },
          criu,
          ...leftOf(extent, left),
        });
      },
      writeTree: async (piece, bytes) => {
        if (container === undefined)
          throw new CheckpointError('PROTOCOL', 'Cannot take files: no container was announced', {});
        return container.write(piece, bytes);
      },
      networkSwitch: this.#options.networkSwitch,
      measure: async () => ({
        fillBytesPerSecond: await measureFillRate(sample),
        paceMs: await pace(),
      }),
      record: (held, extent) => {
        const charge = { id, ...held, workDir, lacking: extent === 'lacking', door: listener.keys };
        return guardian.tell({ kind: 'charge', charge });
      },
      recordFilled: () => guardian.tell({ kind: 'filled', id }),
    });
    this.#receptions.set(id, reception);
    await channel.send({ type: 'streams' });
    void reception.follow(channel);
    await reception.decided;
    for (const stream of streams) stream.close();
    if (reception.tree !== undefined) container?.keep();
    // What was made for it is not needed while a source may still ask.
    await vessel[Symbol.asyncDispose]();
    this.#arrive(id, reception, { wireBytes: levels.counters().wireBytes, container });
    await reception.ended;
    await guardian.tell({ kind: 'settled', id }).catch(() => {});
    channel.close();
  }

  // Nothing when the source has been told why not.
  async #accept(channel: DestinationLink['channel'], hello: Hello): Promise<AcceptedVessel | undefined> {
    const refuse = async (code: 'RESTORE_REFUSED' | 'PROTOCOL', message: string): Promise<undefined> => {
      await channel.send({ type: 'gone', code, message: message.slice(0, MAX_MESSAGE) });
      channel.close();
      return undefined;
    };
    const refusal = this.#refusalOf(hello);
    if (refusal !== undefined) return refuse('PROTOCOL', refusal);
    const mismatch = await this.#preflight(hello);
    if (mismatch !== undefined) return refuse('RESTORE_REFUSED', mismatch);
    const { container: place, criu } = this.#options;
    const opened = await openVessel({ moved: hello.container, place, criu });
    return 'refusal' in opened ? refuse('RESTORE_REFUSED', opened.refusal) : opened;
  }

  async #preflight(hello: Hello): Promise<string | undefined> {
    try {
      return await preflight(hello, { criu: this.#options.criu, signal: this.#ending.signal });
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }

  #arrive(id: string, { tree, failure }: Reception, { wireBytes, container }: Taken): void {
    this.#arrived.push(
      tree === undefined
        ? { kind: 'gone', id, failure }
        : { kind: 'running', id, tree, wireBytes, ...arrivedOf(container) },
    );
    this.#wake();
  }

  #refusalOf({ version, streams, id }: Hello): string | undefined {
    if (this.#ending.signal.aborted) return 'the receiver is about to end';
    if (version !== PROTOCOL_VERSION)
      return `the source speaks version ${version} of the protocol, this host ${PROTOCOL_VERSION}`;
    if (streams < 1) return 'no page stream was announced';
    return this.#receptions.has(id) ? 'this migration is known already' : undefined;
  }
}

function leftOf(extent: Extent, left: LeftConnection | undefined): { readonly left?: Fd } {
  return extent === 'whole' || left === undefined ? {} : { left: left.socket };
}

function unannounced(): CheckpointError<'PROTOCOL'> {
  const received = 'a tree without its pages';
  return new CheckpointError('PROTOCOL', `Cannot take ${received}: that was not announced`, { received });
}

interface Taken {
  readonly wireBytes: number;
  readonly container: ContainerArrival | undefined;
}

const MAX_MESSAGE = 4000;
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
