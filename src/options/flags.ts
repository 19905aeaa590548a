// What the command line makes of the tables: which flags an operation takes, how each is parsed, and what help says of it.

import type { ArgumentRow } from './rows/own.js';
import { ARGUMENTS } from './rows/own.js';
import { type OptionName, rowsOf } from './table.js';
import type { Operation } from './types.js';
import type { ValueType } from './values.js';

export type ArgumentName = keyof typeof ARGUMENTS;

export interface FlagSpec {
  /** Key of the parsed result: an option of the API, or an argument of the verb (`tree`, `imagesDir`, ...). */
  readonly name: OptionName | ArgumentName;
  /** True for an option of the API, which goes into the options object as it is. */
  readonly isOption: boolean;
  /** As CRIU spells them, long first: `--tree`, `-t`. */
  readonly flags: readonly string[];
  /** Absent: no argument follows. */
  readonly argument?: string;
  /** The argument may be left out, and if given is joined with `=` (or directly to a short flag, `-v4`). */
  readonly argumentOptional: boolean;
  /** CRIU's default; absent for arguments of the verb, and where the text says what the command line does instead. */
  readonly default?: string;
  /** True of the command line. */
  readonly text: string;
  /** The value after this occurrence. Throws TypeError or RangeError. */
  parse(text: string | undefined, previous: unknown): unknown;
}

/** Arguments of the verb first, then options in the order of the table; options without a flag are left out. */
export function flagsFor(operation: Operation): readonly FlagSpec[] {
  const all = Object.entries(ARGUMENTS) as unknown as readonly (readonly [ArgumentName, ArgumentRow])[];
  const own = all.filter(([, row]) => row.operations.includes(operation) && row.flags.length > 0);
  const options = rowsOf(operation).filter(([, row]) => row.flags.length > 0);
  return [
    ...own.map(([name, row]) => specOf(name, row)),
    ...options.map(([name, row]) => specOf(name, row, { default: row.default })),
  ];
}

/** `--ext-mount-map auto` is another option of the API; the parser asks this before it stores an argument. */
export function redirected(
  name: string,
  text: string | undefined,
): { readonly name: OptionName; readonly value: true } | undefined {
  return name === 'extMountMap' && text === 'auto' ? { name: 'autoExtMount', value: true } : undefined;
}

interface Described {
  readonly flags: readonly string[];
  readonly type: ValueType<unknown>;
  readonly text: string;
  readonly flagText?: string;
}

function specOf(name: FlagSpec['name'], row: Described, option?: { readonly default: string }): FlagSpec {
  const { argument, argumentOptional } = row.type;
  return {
    name,
    isOption: option !== undefined,
    flags: row.flags,
    ...(argument === undefined ? {} : { argument }),
    argumentOptional: argumentOptional === true,
    ...(row.flagText === undefined ? option : {}),
    text: row.flagText ?? row.text,
    parse: (text, previous) => row.type.parse(text, previous),
  };
}
