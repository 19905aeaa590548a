// What follows a message in its image file without being protobuf: contents of pipes, sockets and deleted files, semaphores, message
// queues. The sizes stand in the message; padding is not content, and is written as zeros (CRIU writes what was in its memory).

import { decodeEntry, type Entry, encodeEntry } from '../../schema/images.js';
import { entryAt, LENGTH_BYTES } from '../entry-walk.js';
import type { ExtraName } from './types.js';

/** A message of a System V queue. */
export interface QueuedMessage {
  readonly message: Entry<'ipc_msg'>;
  readonly bytes: Uint8Array;
}

export type Extra =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | { readonly kind: 'tcp-queues'; readonly inq: Uint8Array; readonly outq: Uint8Array }
  | { readonly kind: 'semaphores'; readonly values: readonly number[] }
  | { readonly kind: 'messages'; readonly messages: readonly QueuedMessage[] };

export type Taken =
  | { readonly kind: 'taken'; readonly extra?: Extra; readonly next: number }
  /** So many bytes from `at` are needed at least. */
  | { readonly kind: 'cut'; readonly needed: number }
  | { readonly kind: 'damaged' };

/** Where an extra begins, and whether `bytes` goes to the end of the file. */
export interface Place {
  readonly bytes: Buffer;
  readonly at: number;
  readonly final: boolean;
}

type Message = Readonly<Record<string, unknown>>;

interface ExtraCodec {
  /** Bytes that a message of this kind announces, without padding; undefined when only reading tells. */
  size(message: Message): number | undefined;
  take(place: Place, message: Message): Taken;
}

const U16_BYTES = 2;
const U32_BYTES = 4;
const U64_BYTES = 8;

const CODECS: Readonly<Record<ExtraName, ExtraCodec>> = {
  pipe: plain((message) => (message as Entry<'pipe_data_entry'>).bytes),
  packet: plain((message) => (message as Entry<'sk_packet_entry'>).length),
  chunk: plain((message) => Number((message as Entry<'ghost_chunk_entry'>).len)),
  'bpf-map': plain((message) => {
    const { keys_bytes, values_bytes } = message as Entry<'bpfmap_data_entry'>;
    return keys_bytes + values_bytes;
  }),
  segment: plain(segmentBytes, U32_BYTES),
  ghost: { size: (message) => (hasChunks(message) ? 0 : undefined), take: takeGhost },
  'tcp-queues': {
    size: (message) => queueBytes(message).inq + queueBytes(message).outq,
    take: takeTcpQueues,
  },
  semaphores: {
    size: (message) => (message as Entry<'ipc_sem_entry'>).nsems * U16_BYTES,
    take: takeSemaphores,
  },
  messages: { size: () => undefined, take: takeMessages },
};

/** Reads the extra of `message`. Byte contents are views. */
export function takeExtra(name: ExtraName, place: Place, message: Message): Taken {
  return CODECS[name].take(place, message);
}

/** The extra as it stands in the file. Throws RangeError when it is not what `message` announces. */
export function extraBytes(name: ExtraName, extra: Extra | undefined, message: Message): readonly Uint8Array[] {
  const pieces = extra === undefined ? [] : piecesOf(extra, name === 'segment' ? U32_BYTES : 1);
  const content = extra === undefined ? 0 : contentBytes(extra);
  const announced = CODECS[name].size(message) ?? content;
  if (announced !== content) throw new RangeError(`extra: ${content} bytes, and the entry announces ${announced}`);
  if (extra?.kind === 'messages') checkMessages(extra.messages, message as Entry<'ipc_msg_entry'>);
  return pieces;
}

function plain(bytesOf: (message: Message) => number, align = 1): ExtraCodec {
  return {
    size: bytesOf,
    take: ({ bytes, at }, message) => {
      const size = bytesOf(message);
      const end = at + roundUp(size, align);
      if (end > bytes.length) return { kind: 'cut', needed: end - at };
      return { kind: 'taken', extra: { kind: 'bytes', bytes: bytes.subarray(at, at + size) }, next: end };
    },
  };
}

// Since CRIU 3.0 the contents are pages in pagemap-shmem-ID.img.
function segmentBytes(message: Message): number {
  const { in_pagemaps, size } = message as Entry<'ipc_shm_entry'>;
  return in_pagemaps === true ? 0 : Number(size);
}

function takeGhost({ bytes, at, final }: Place, message: Message): Taken {
  if (hasChunks(message)) return { kind: 'taken', next: at };
  if (!final) return { kind: 'cut', needed: Number.POSITIVE_INFINITY };
  return { kind: 'taken', extra: { kind: 'bytes', bytes: bytes.subarray(at) }, next: bytes.length };
}

function hasChunks(message: Message): boolean {
  return (message as Entry<'ghost_file_entry'>).chunks === true;
}

function queueBytes(message: Message): { readonly inq: number; readonly outq: number } {
  const { inq_len: inq, outq_len: outq } = message as Entry<'tcp_stream_entry'>;
  return { inq, outq };
}

function takeTcpQueues({ bytes, at }: Place, message: Message): Taken {
  const { inq, outq } = queueBytes(message);
  const next = at + inq + outq;
  if (next > bytes.length) return { kind: 'cut', needed: inq + outq };
  const extra = { inq: bytes.subarray(at, at + inq), outq: bytes.subarray(at + inq, next) };
  return { kind: 'taken', extra: { kind: 'tcp-queues', ...extra }, next };
}

function takeSemaphores({ bytes, at }: Place, message: Message): Taken {
  const { nsems } = message as Entry<'ipc_sem_entry'>;
  const next = at + roundUp(nsems * U16_BYTES, U64_BYTES);
  if (next > bytes.length) return { kind: 'cut', needed: next - at };
  const values = Array.from({ length: nsems }, (_, i) => bytes.readUInt16LE(at + i * U16_BYTES));
  return { kind: 'taken', extra: { kind: 'semaphores', values }, next };
}

function takeMessages({ bytes, at }: Place, message: Message): Taken {
  const messages: QueuedMessage[] = [];
  let next = at;
  for (let i = 0; i < (message as Entry<'ipc_msg_entry'>).qnum; i++) {
    const step = entryAt(bytes, next);
    if (step.kind === 'damaged') return step;
    if (step.kind !== 'entry') return { kind: 'cut', needed: next - at + (step.kind === 'end' ? 1 : step.needed) };
    const head = decodeEntry('ipc_msg', step.payload);
    const end = step.next + roundUp(head.msize, U64_BYTES);
    if (end > bytes.length) return { kind: 'cut', needed: end - at };
    messages.push({ message: head, bytes: bytes.subarray(step.next, step.next + head.msize) });
    next = end;
  }
  return { kind: 'taken', extra: { kind: 'messages', messages }, next };
}

/** Of semaphores and queues without padding; messages count one each, as their heads are entries. */
export function contentBytes(extra: Extra): number {
  switch (extra.kind) {
    case 'bytes':
      return extra.bytes.length;
    case 'tcp-queues':
      return extra.inq.length + extra.outq.length;
    case 'semaphores':
      return extra.values.length * U16_BYTES;
    case 'messages':
      return extra.messages.length;
    default:
      return extra satisfies never;
  }
}

function piecesOf(extra: Extra, align: number): readonly Uint8Array[] {
  switch (extra.kind) {
    case 'bytes':
      return padded(extra.bytes, align);
    case 'tcp-queues':
      return [extra.inq, extra.outq];
    case 'semaphores':
      return padded(new Uint8Array(Uint16Array.from(extra.values).buffer), U64_BYTES);
    case 'messages':
      return extra.messages.flatMap(({ message, bytes }) => {
        const head = encodeEntry('ipc_msg', message);
        return [lengthOf(head), head, ...padded(bytes, U64_BYTES)];
      });
    default:
      return extra satisfies never;
  }
}

function checkMessages(messages: readonly QueuedMessage[], { qnum }: Entry<'ipc_msg_entry'>): void {
  if (messages.length !== qnum)
    throw new RangeError(`extra: ${messages.length} messages, and the entry announces ${qnum}`);
  const wrong = messages.find(({ message, bytes }) => message.msize !== bytes.length);
  if (wrong !== undefined)
    throw new RangeError(`extra: a message of ${wrong.bytes.length} bytes announces ${wrong.message.msize}`);
}

/** The u32 in front of an entry. */
export function lengthOf(payload: Uint8Array): Buffer {
  const bytes = Buffer.alloc(LENGTH_BYTES);
  bytes.writeUInt32LE(payload.length);
  return bytes;
}

function padded(bytes: Uint8Array, align: number): readonly Uint8Array[] {
  const rest = roundUp(bytes.length, align) - bytes.length;
  return rest === 0 ? [bytes] : [bytes, new Uint8Array(rest)];
}

function roundUp(size: number, to: number): number {
  return Math.ceil(size / to) * to;
}
