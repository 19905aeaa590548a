// Random messages of any dictionary, for round trips.

import fc from 'fast-check';
import { fieldsOf } from '../../../src/schema/codec.js';
import type { Dictionary, FieldPlan } from '../../../src/schema/notation.js';

const SCALARS: Record<string, fc.Arbitrary<unknown>> = {
  uint32: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  int32: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
  sint32: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
  uint64: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  fixed64: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  int64: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  sint64: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  bool: fc.boolean(),
  string: fc.string({ unit: 'grapheme', maxLength: 12 }),
  bytes: fc.uint8Array({ maxLength: 12 }),
};

export function arbitraryMessage(
  dictionary: Dictionary,
  name: string,
  depth = 0,
  enums: 'any enum value' | 'known enums' = 'any enum value',
): fc.Arbitrary<Record<string, unknown>> {
  const model: Record<string, fc.Arbitrary<unknown>> = {};
  const required: string[] = [];
  for (const field of fieldsOf(dictionary, name)) {
    if (depth > 2 && field.cardinality !== 'required') continue;
    const one = arbitraryValue(dictionary, field, { depth, enums });
    // An empty list and an absent one are the same bytes.
    model[field.name] = field.cardinality === 'repeated' ? fc.array(one, { minLength: 1, maxLength: 3 }) : one;
    if (field.cardinality === 'required') required.push(field.name);
  }
  return fc.record(model, { requiredKeys: required, noNullPrototype: true });
}

function arbitraryValue(
  dictionary: Dictionary,
  { type }: FieldPlan,
  { depth, enums }: { readonly depth: number; readonly enums: 'any enum value' | 'known enums' },
): fc.Arbitrary<unknown> {
  if (type.kind === 'message') return arbitraryMessage(dictionary, type.name, depth + 1, enums);
  if (type.kind === 'scalar') return SCALARS[type.name] ?? fc.constant(undefined);
  const values = dictionary.enums[type.name] ?? {};
  const unknown = fc
    .integer({ min: 1000, max: 2 ** 31 - 1 })
    .filter((raw) => !Object.values(values).includes(raw))
    .map((raw) => ({ kind: 'unknown', raw }));
  const known = fc.constantFrom(...Object.keys(values));
  return enums === 'known enums' ? known : fc.oneof(known, unknown);
}
