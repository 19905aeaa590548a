// Our schema of the images against the descriptors of Debian's pycriu: every message, field, annotation, enum and magic.

import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { IMAGE_NAMES, imageType } from '../../src/images/codec/types.js';
import { fieldsOf } from '../../src/schema/codec.js';
import { IMAGES } from '../../src/schema/images.js';
import type { FieldPlan } from '../../src/schema/notation.js';
import { critHere, inPython } from '../helpers/crit.js';
import { testWith } from '../helpers/needs.js';

interface Theirs {
  readonly messages: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly enums: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly magics: Readonly<Record<string, number>>;
}

const SCRIPT = fileURLToPath(new URL('../helpers/crit-schema.py', import.meta.url));
const MARKS = { required: '!', optional: '?', repeated: '*' } as const;
/** crit's own options, and the protocol of criu-image-streamer, which is no image. */
const NO_IMAGES = new Set(['CRIU_Opts', 'img_streamer_reply_entry', 'img_streamer_request_entry']);
/** Prefixes of other magics, and kerndat's cache, which is not of a checkpoint. */
const NO_TYPES = new Set(['CRTOOLS_IMAGES_V1_1', 'IMG_COMMON', 'IMG_SERVICE', 'KDAT']);

function spelled({ id, type, cardinality, annotations }: FieldPlan): string {
  const words = annotations.filter((word) => !word.startsWith('def='));
  const plain = words.filter((word) => !word.includes(':'));
  return [`${id} ${type.name}${MARKS[cardinality]}`, ...plain, ...words.filter((word) => word.includes(':'))].join(' ');
}

testWith([critHere], 'the schema of the images is the one of pycriu', async () => {
  const theirs = JSON.parse(await inPython(SCRIPT, '')) as Theirs;
  const messages = Object.fromEntries(Object.entries(theirs.messages).filter(([name]) => !NO_IMAGES.has(name)));
  const names = Object.keys(IMAGES.messages) as (keyof typeof IMAGES.messages)[];
  const ours = Object.fromEntries(
    names.map((name) => [
      name,
      Object.fromEntries(fieldsOf(IMAGES, name).map((field) => [field.name, spelled(field)])),
    ]),
  );
  expect(ours).toEqual(messages);
  for (const [name, values] of Object.entries(IMAGES.enums))
    expect({ name, values }).toEqual({ name, values: theirs.enums[name] });
});

testWith([critHere], 'every magic of pycriu is a type of image here', async () => {
  const { magics } = JSON.parse(await inPython(SCRIPT, '')) as Theirs;
  const ours = Object.fromEntries(IMAGE_NAMES.map((name) => [name, imageType(name).magic]));
  expect(ours).toEqual(Object.fromEntries(Object.entries(magics).filter(([name]) => !NO_TYPES.has(name))));
});
