// The control stream: messages with a bounded head (JSON) and bounded bytes behind it, over any stream that Node has (TCP, unix, TLS).
//
//   u32 length of the JSON, u32 length of the bytes, both little endian; JSON; bytes

import type { Duplex } from 'node:stream';
import { CheckpointError } from '../../errors/checkpoint-error.js';

export interface Received<M> {
  readonly message: M;
  readonly bytes: Buffer;
}

export interface Channel<Out, In> {
  /** Resolves when the stream has room again. A stream that has ended swallows it: receive() tells. */
  send(message: Out, bytes?: Uint8Array): Promise<void>;
  /** `undefined` at the end of the stream, however that came. Rejects with PROTOCOL; the stream is closed then. One wait at a time. */
  receive(): Promise<Received<In> | undefined>;
  /**
   * What was sent before still arrives: what comes is read and dropped until the peer has ended too, as a connection that is closed with bytes
   * unread is reset, and the last words are lost. Resolves then, or when the peer has not ended after 5 s. Idempotent.
   */
  close(): Promise<void>;
  /** At once, with what is on the way lost. */
  destroy(): void;
}

const HEAD_BYTES = 8;
const MAX_JSON = 2 ** 20;
/** Image files travel in pieces of at most this. */
export const MAX_BYTES = 2 ** 20;
const LINGER_MS = 5000;

/** Takes the stream over. */
export function openChannel<Out, In>(stream: Duplex, parse: (value: unknown) => In): Channel<Out, In> {
  // A broken connection shows as the end of what is received; without a listener it would end the process.
  stream.on('error', () => {});
  const reader = new Reader(stream);
  return {
    async send(message, bytes = new Uint8Array()) {
      if (!stream.writable) return;
      const json = Buffer.from(JSON.stringify(message));
      const head = Buffer.alloc(HEAD_BYTES);
      head.writeUInt32LE(json.length, 0);
      head.writeUInt32LE(bytes.length, 4);
      if (!stream.write(Buffer.concat([head, json, bytes]))) await drained(stream);
    },
    async receive() {
      const head = await reader.take(HEAD_BYTES);
      if (head === undefined) return undefined;
      const lengths = [head.readUInt32LE(0), head.readUInt32LE(4)] as const;
      try {
        if (lengths[0] > MAX_JSON || lengths[1] > MAX_BYTES) throw tooLong(lengths);
        const json = await reader.take(lengths[0]);
        const bytes = await reader.take(lengths[1]);
        if (json === undefined || bytes === undefined) return undefined;
        return { message: parse(parseJson(json)), bytes };
      } catch (error) {
        stream.destroy();
        throw error;
      }
    },
    async close() {
      stream.end();
      reader.drop();
      await closed(stream);
    },
    destroy: () => void stream.destroy(),
  };
}

class Reader {
  readonly #stream: Duplex;
  #ended = false;
  #wake: () => void = () => {};

  constructor(stream: Duplex) {
    this.#stream = stream;
    const end = (): void => {
      this.#ended = true;
      this.#wake();
    };
    stream.on('end', end).on('close', end);
    stream.on('readable', () => this.#wake());
  }

  /** Whoever takes gets nothing any more. */
  drop(): void {
    this.#ended = true;
    this.#wake();
    this.#stream.on('readable', () => this.#stream.read());
    this.#stream.read();
  }

  /** `undefined` when the stream ends before. */
  async take(bytes: number): Promise<Buffer | undefined> {
    if (bytes === 0) return Buffer.alloc(0);
    const parts: Buffer[] = [];
    for (let missing = bytes; missing > 0; ) {
      const part = this.#read(missing);
      if (part !== undefined) {
        parts.push(part);
        missing -= part.length;
      } else if (this.#ended) return undefined;
      else
        await new Promise<void>((wake) => {
          this.#wake = wake;
        });
    }
    return Buffer.concat(parts);
  }

  #read(most: number): Buffer | undefined {
    const there = Math.min(most, this.#stream.readableLength);
    const part: unknown = there > 0 ? this.#stream.read(there) : this.#stream.read(0);
    return Buffer.isBuffer(part) ? part : undefined;
  }
}

async function drained(stream: Duplex): Promise<void> {
  await new Promise<void>((resolve) => {
    const settle = (): void => {
      stream.off('drain', settle).off('close', settle);
      resolve();
    };
    stream.on('drain', settle).on('close', settle);
  });
}

async function closed(stream: Duplex): Promise<void> {
  if (stream.closed) return;
  const late = setTimeout(() => stream.destroy(), LINGER_MS);
  await new Promise<void>((resolve) => {
    stream.once('close', () => resolve());
  });
  clearTimeout(late);
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch (cause) {
    const message = 'Cannot go on with the migration: the peer sent what is no JSON';
    throw new CheckpointError('PROTOCOL', message, { expected: 'JSON' }, { cause });
  }
}

function tooLong([json, bytes]: readonly [number, number]): CheckpointError<'PROTOCOL'> {
  const received = `${json} and ${bytes} bytes`;
  const message = `Cannot go on with the migration: the peer announced a message of ${received}`;
  return new CheckpointError('PROTOCOL', message, { received, expected: `at most ${MAX_JSON} and ${MAX_BYTES} bytes` });
}
