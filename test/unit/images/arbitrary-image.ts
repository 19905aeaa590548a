// Random images of every type, with what follows their entries as the entries announce it.

import fc from 'fast-check';
import type { Image, ImageEntry } from '../../../src/images/codec/decode.js';
import { entryRow } from '../../../src/images/codec/encode.js';
import type { Extra } from '../../../src/images/codec/extras.js';
import { type ExtraName, type ImageName, imageType } from '../../../src/images/codec/types.js';
import { IMAGES } from '../../../src/schema/images.js';
import { arbitraryMessage } from '../schema/arbitrary-message.js';

type Plain = Record<string, unknown>;
const someBytes = fc.uint8Array({ maxLength: 90 });
const asBytes = someBytes.map((bytes): Extra => ({ kind: 'bytes', bytes: Buffer.from(bytes) }));
const lengthOf = (extra: Extra): number => (extra.kind === 'bytes' ? extra.bytes.length : 0);

interface WithExtra {
  readonly message: Plain;
  readonly extra: Extra;
}
/** A message, made to announce an extra. */
type Fit = (message: Plain) => fc.Arbitrary<WithExtra>;

const announcing =
  (field: string, number: (length: number) => unknown = (length) => length): Fit =>
  (message) =>
    asBytes.map((extra) => ({ message: { ...message, [field]: number(lengthOf(extra)) }, extra }));

const FITS: Record<Exclude<ExtraName, 'ghost'>, Fit> = {
  pipe: announcing('bytes'),
  packet: announcing('length'),
  chunk: announcing('len', BigInt),
  'bpf-map': (message) =>
    fc.tuple(asBytes, fc.nat(20)).map(([extra, keys]) => {
      const keys_bytes = Math.min(keys, lengthOf(extra));
      return { message: { ...message, keys_bytes, values_bytes: lengthOf(extra) - keys_bytes }, extra };
    }),
  segment: (message) =>
    fc.tuple(asBytes, fc.boolean()).map(([extra, in_pagemaps]) => {
      const size = { ...message, in_pagemaps, size: BigInt(lengthOf(extra)) };
      return { message: size, extra: in_pagemaps ? { kind: 'bytes', bytes: Buffer.alloc(0) } : extra };
    }),
  'tcp-queues': (message) =>
    fc.tuple(someBytes, someBytes).map(([inq, outq]) => ({
      message: { ...message, inq_len: inq.length, outq_len: outq.length },
      extra: { kind: 'tcp-queues', inq: Buffer.from(inq), outq: Buffer.from(outq) },
    })),
  semaphores: (message) =>
    fc.array(fc.nat(65_535), { maxLength: 9 }).map((values) => ({
      message: { ...message, nsems: values.length },
      extra: { kind: 'semaphores', values },
    })),
  messages: (message) =>
    fc.array(fc.tuple(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), someBytes), { maxLength: 4 }).map((queue) => ({
      message: { ...message, qnum: queue.length },
      extra: {
        kind: 'messages',
        messages: queue.map(([mtype, bytes]) => ({
          message: { mtype, msize: bytes.length },
          bytes: Buffer.from(bytes),
        })),
      },
    })),
};

/** What CRIU could have written: no enum value that nobody knows. */
export function arbitraryImage(name: ImageName): fc.Arbitrary<Image> {
  const { prefix, first } = imageType(name);
  const ghost = name === 'GHOST_FILE';
  const others = fc.array(ghost ? fc.constant(1) : fc.constant(0), {
    minLength: first === undefined ? 0 : 1,
    maxLength: 4,
  });
  const entries = others.chain((list) =>
    fc.tuple(...list.map((_, index) => arbitraryEntry(name, index, { alone: list.length === 1 }))),
  );
  return entries.map((list) => ({ name, prefix, entries: list }));
}

function arbitraryEntry(name: ImageName, index: number, { alone }: { alone: boolean }): fc.Arbitrary<ImageEntry> {
  const { kind, extra } = entryRow(name, index);
  const message = arbitraryMessage(IMAGES, kind, 0, 'known enums').map((found) => known(kind, found));
  if (extra === undefined) return message.map((found) => ({ kind, message: found }) as unknown as ImageEntry);
  if (extra !== 'ghost')
    return message.chain((found) => FITS[extra](found)).map((found) => ({ kind, ...found }) as unknown as ImageEntry);
  // Without chunks the rest of the file is the contents: nothing may come after.
  if (!alone) return message.map((found) => ({ kind, message: { ...found, chunks: true } }) as unknown as ImageEntry);
  return fc
    .tuple(message, asBytes)
    .map(([found, bytes]) => ({ kind, message: { ...found, chunks: false }, extra: bytes }) as unknown as ImageEntry);
}

// A greater version is a newer CRIU's, of which decode has something to say.
function known(kind: string, message: Plain): Plain {
  return kind === 'inventory_entry' ? { ...message, img_version: 1 + (Number(message['img_version']) % 2) } : message;
}
