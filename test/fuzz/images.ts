// Random images, damaged at random, through every reader of src/images: each must answer or refuse with IMAGES_CORRUPT, and what it read
// it must write again. Run by scripts/fuzz-images; a run is its seed.

import { writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { CheckpointError } from '../../src/errors/checkpoint-error.js';
import { decodeImage, ImageDecoder } from '../../src/images/codec/decode.js';
import { encodeImage } from '../../src/images/codec/encode.js';
import { IMAGE_NAMES } from '../../src/images/codec/types.js';
import { encodedJson } from '../../src/images/crit/from-json.js';
import { imageText } from '../../src/images/crit/image-text.js';
import { arbitraryImage } from '../unit/images/arbitrary-image.js';

const [, , seconds = '60', first = '1'] = process.argv;
const RUNS_OF_A_SEED = 200;
const deadline = Date.now() + Number(seconds) * 1000;

const image = fc.constantFrom(...IMAGE_NAMES).chain(arbitraryImage);
const place = fc.double({ min: 0, max: 1, noNaN: true });
const oneByte = fc.uint8Array({ minLength: 1, maxLength: 1 });
/** Where, what instead, and how much of what was there goes: most often a byte for a byte, which leaves the rest an image. */
const damage = fc.oneof(
  { arbitrary: fc.tuple(place, oneByte, fc.constant(1)), weight: 7 },
  { arbitrary: fc.tuple(place, fc.uint8Array({ maxLength: 9 }), fc.nat(9)), weight: 1 },
);
const damages = fc.array(damage, { maxLength: 3 });

function damaged(bytes: Buffer, all: readonly (readonly [number, Uint8Array, number])[]): Buffer {
  return all.reduce((left, [where, put, gone]) => {
    const at = Math.floor(where * left.length);
    return Buffer.concat([left.subarray(0, at), put, left.subarray(at + gone)]);
  }, bytes);
}

/** Undefined for a refusal; anything else that is thrown is a finding. */
function orRefused<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (CheckpointError.is(error, 'IMAGES_CORRUPT')) return undefined;
    throw error;
  }
}

async function textOf(bytes: Buffer): Promise<string | undefined> {
  const source = async function* (): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < bytes.length; at += 7) yield bytes.subarray(at, at + 7);
  };
  let text = '';
  try {
    for await (const piece of imageText(source(), 'F', { form: 'pretty', payload: 'shown' })) text += piece;
    return text;
  } catch (error) {
    if (CheckpointError.is(error, 'IMAGES_CORRUPT')) return undefined;
    throw error;
  }
}

let taken = 0;

/** What was read is written as something that reads the same. */
async function survives(bytes: Buffer): Promise<void> {
  orRefused(() => [...new ImageDecoder('F', { messages: 'where needed' }).take(bytes)]);
  const found = orRefused(() => decodeImage(bytes, 'F'));
  const text = await textOf(bytes);
  if ((found === undefined) !== (text === undefined)) throw new Error('one reader refuses what the other takes');
  if (found === undefined || text === undefined) return;
  taken += 1;
  const again = encodeImage(found);
  if (!encodeImage(decodeImage(again, 'F')).equals(again)) throw new Error('what was written reads otherwise');
  JSON.parse(text);
  const fromText = Buffer.concat([...encodedJson(Buffer.from(text), 'J')]);
  const common = found.prefix === 'none' && found.name !== 'INVENTORY';
  if (!common && decodeImage(fromText, 'F').entries.length !== found.entries.length)
    throw new Error('the JSON holds other entries');
}

let runs = 0;
for (let seed = Number(first); Date.now() < deadline; seed++) {
  const property = fc.asyncProperty(image, damages, async (good, all) => {
    await survives(damaged(encodeImage(good), all));
  });
  const result = await fc.check(property, { seed, numRuns: RUNS_OF_A_SEED });
  runs += result.numRuns;
  if (!result.failed) continue;
  const [good, all] = result.counterexample ?? [];
  const finding = good === undefined || all === undefined ? Buffer.alloc(0) : damaged(encodeImage(good), all);
  writeFileSync('fuzz-images-finding', finding);
  process.stderr.write(
    `seed ${seed}: ${String(result.errorInstance)}\nSee fuzz-images-finding; again: scripts/fuzz-images 1 ${seed}\n`,
  );
  process.exit(1);
}
process.stdout.write(`${runs} damaged images, ${taken} of them still images; no finding\n`);
