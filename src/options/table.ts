// The table: every option of every operation, and the proofs that it is complete. If a field of criu_opts has no row, an option of
// an interface has none, or a row's operations and the interfaces disagree, this file does not compile.

import type { Field, Row } from './row.js';
import { MEMORY } from './rows/memory.js';
import { OUTSIDE } from './rows/outside.js';
import type { OWN_FIELDS } from './rows/own.js';
import { RUNNING } from './rows/running.js';
import { TREE } from './rows/tree.js';
import type { Operation, OptionsOf } from './types.js';
import type { ValueType } from './values.js';

type KeysOfUnion<T> = T extends unknown ? keyof T : never;
export type OptionName = KeysOfUnion<OptionsOf[Operation]>;

export const OPTIONS = { ...RUNNING, ...TREE, ...OUTSIDE, ...MEMORY } satisfies Record<OptionName, unknown>;

type Table = typeof OPTIONS;
type Taking<O extends Operation> = {
  [K in OptionName]: O extends Table[K]['operations'][number] ? K : never;
}[OptionName];
type ValueOf<K extends OptionName> = Table[K] extends { readonly type: ValueType<infer V> } ? V : never;
type OptionsFromRows<O extends Operation> = { readonly [K in Taking<O>]?: ValueOf<K> };
type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : never) : never;
// Optional keys do not count in assignability, so the keys are compared as well.
type SameOptions<A, B> = Same<keyof A, keyof B> & Same<A, B>;

type FieldOf<R> = R extends { readonly field?: infer F } ? Extract<F, Field> : never;
type CoveredFields = { [K in OptionName]: FieldOf<Table[K]> }[OptionName] | keyof typeof OWN_FIELDS;

({
  fields: true,
  dump: true,
  preDump: true,
  restore: true,
  pageServer: true,
  check: true,
  cpuinfo: true,
}) satisfies { readonly [O in Operation]: SameOptions<OptionsFromRows<O>, OptionsOf[O]> } & {
  readonly fields: Same<CoveredFields, Field>;
};

/** The rows of one operation, in the order of the table. */
export function rowsOf(operation: Operation): readonly (readonly [OptionName, Row])[] {
  const entries = Object.entries(OPTIONS) as unknown as readonly (readonly [OptionName, Row])[];
  return entries.filter(([, row]) => row.operations.includes(operation));
}

/** The row of a name that came from outside, if there is one. */
export function rowOf(name: string): Row | undefined {
  return Object.hasOwn(OPTIONS, name) ? (OPTIONS[name as OptionName] as unknown as Row) : undefined;
}
