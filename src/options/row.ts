// What one row of the tables says about an option. A row is data; request.ts, flags.ts, version.ts and docs/options.md are made
// from it.

import type { CriuOpts } from '../schema/rpc.js';
import type { Operation } from './types.js';
import type { ValueType } from './values.js';

export type Field = keyof CriuOpts;

/** How an option reaches CRIU. */
export type Via =
  /** A field of criu_opts. */
  | 'rpc'
  /** Only CRIU's command line has it: Frazil writes it into a private config file that the request names. */
  | 'config_file'
  /** Frazil acts on it itself: it opens the directory, starts CRIU so, and so on. */
  | 'frazil';

export interface CriuRelease {
  readonly major: number;
  readonly minor: number;
}

interface About<V, O extends readonly Operation[]> {
  readonly type: ValueType<V>;
  /** Long flag first, as CRIU spells it. Empty: CRIU's command line has none. */
  readonly flags: readonly string[];
  /** What CRIU does without the option. */
  readonly default: string;
  /** One sentence without full stop. */
  readonly text: string;
  /** The same for the flag, where the command line does it in another way than the API. */
  readonly flagText?: string;
  readonly operations: O;
  /** First CRIU that takes it; absent: 4.1 does. */
  readonly since?: CriuRelease;
  /** What a reader would otherwise learn the hard way. */
  readonly quirk?: string;
}

export interface Row<V = unknown, O extends readonly Operation[] = readonly Operation[]> extends About<V, O> {
  readonly via: Via;
  readonly field?: Field;
  encode?(value: V): unknown;
  /** Lines of the private config file. */
  config?(value: V): readonly string[];
}

type EncodeTo<V, F extends Field> =
  V extends NonNullable<CriuOpts[F]>
    ? { encode?(value: V): NonNullable<CriuOpts[F]> }
    : { encode(value: V): NonNullable<CriuOpts[F]> };

/** A row whose option is a field of criu_opts; `encode` is needed only when the types differ. */
export function rpc<const F extends Field, V, const O extends readonly Operation[]>(
  field: F,
  about: About<V, O> & EncodeTo<V, F>,
): Row<V, O> & { readonly via: 'rpc'; readonly field: F } {
  return { ...about, via: 'rpc', field };
}

/** A row whose option CRIU takes only from its command line or a config file. */
export function configured<V, const O extends readonly Operation[]>(
  about: About<V, O> & { config(value: V): readonly string[] },
): Row<V, O> & { readonly via: 'config_file' } {
  return { ...about, via: 'config_file' };
}

/** A row whose option Frazil acts on; `field` is what it sets for it, if anything. */
export function acted<V, const O extends readonly Operation[], const F extends Field = never>(
  about: About<V, O>,
  field?: F,
): Row<V, O> & { readonly via: 'frazil'; readonly field?: F } {
  return { ...about, via: 'frazil', ...(field === undefined ? {} : { field }) };
}

/** A boolean option in the config file: its name alone, or `no-name`. */
export function switchLine(name: string): (value: boolean) => readonly string[] {
  return (value) => [value ? name : `no-${name}`];
}

/** An argument in CRIU's config syntax: one line, in double quotes, `"` escaped; every other escape is literal there. */
export function argumentLine(name: string, value: string): string {
  if (/[\n\0]/.test(value)) throw new RangeError(`"${name}" takes no line break`);
  return `${name} "${value.replaceAll('"', '\\"')}"`;
}
