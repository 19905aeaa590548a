// What the command line makes of the tables: which flags an operation takes, how each is parsed, and the text of --help.

import type { ArgumentRow } from './rows/own.js';
import { ARGUMENTS } from './rows/own.js';
import { type OptionName, rowsOf } from './table.js';
import type { Operation } from './types.js';
import type { ValueType } from './values.js';
import { wrap } from './wrap.js';

export type ArgumentName = keyof typeof ARGUMENTS;

export interface FlagSpec {
  /** Key of the parsed result: an option of the API, or an argument of the verb (`tree`, `imagesDir`, ...). */
  readonly name: OptionName | ArgumentName;
  /** True for an option of the API, which goes into the options object as it is. */
  readonly isOption: boolean;
  /** As CRIU spells them, long first: `--tree`, `-t`. */
  readonly flags: readonly string[];
  /** Long flag that sets false, for flags without argument: `--no-leave-running`. */
  readonly negation?: string;
  /** Absent: no argument follows. */
  readonly argument?: string;
  /** The argument may be left out, and if given is joined with `=` (or directly to a short flag, `-v4`). */
  readonly argumentOptional: boolean;
  /** CRIU's default; absent for arguments of the verb. */
  readonly default?: string;
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
    ...own.map(([name, row]) => specOf(name, row, {})),
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
}

function specOf(name: FlagSpec['name'], row: Described, option: { readonly default?: string }): FlagSpec {
  const { argument, argumentOptional } = row.type;
  const [long] = row.flags;
  return {
    name,
    isOption: option.default !== undefined,
    flags: row.flags,
    ...(argument === undefined && long !== undefined ? { negation: `--no-${long.slice(2)}` } : {}),
    ...(argument === undefined ? {} : { argument }),
    argumentOptional: argumentOptional === true,
    ...option,
    text: row.text,
    parse: (text, previous) => row.type.parse(text, previous),
  };
}

/** A switch that is off when nothing is said needs no "default: off" in a help text. */
const SELF_EVIDENT = new Set(['off', 'none']);

const INDENT = 2;
const GAP = 2;
const FLAG_COLUMN = 32;
const NARROWEST_TEXT = 24;

/** The lines of --help for one operation, wrapped to `columns`. */
export function helpText(operation: Operation, columns: number): string {
  return flagsFor(operation)
    .map((spec) => helpOf(spec, Math.max(columns, FLAG_COLUMN + NARROWEST_TEXT)))
    .join('\n');
}

function helpOf(spec: FlagSpec, columns: number): string {
  const text =
    spec.default === undefined || SELF_EVIDENT.has(spec.default)
      ? spec.text
      : `${spec.text} (default: ${spec.default})`;
  const lines = wrap(text, columns - FLAG_COLUMN);
  const head = `${' '.repeat(INDENT)}${usageOf(spec)}`;
  const indent = ' '.repeat(FLAG_COLUMN);
  const fits = head.length + GAP <= FLAG_COLUMN;
  return (
    fits
      ? [head.padEnd(FLAG_COLUMN) + (lines[0] ?? ''), ...lines.slice(1).map((line) => indent + line)]
      : [head, ...lines.map((line) => indent + line)]
  ).join('\n');
}

function usageOf({ flags, argument, argumentOptional }: FlagSpec): string {
  const [long = '', ...short] = flags;
  const names = short.length > 0 ? `${short.join(', ')}, ${long}` : `    ${long}`;
  if (argument === undefined) return names;
  return argumentOptional ? `${names}[=${argument}]` : `${names} ${argument}`;
}
