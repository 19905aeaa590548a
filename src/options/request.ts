// From an option object to what CRIU receives: fields of criu_opts, lines of a private config file, and how CRIU is started.

import { CheckpointError } from '../errors/checkpoint-error.js';
import type { CriuOpts } from '../schema/rpc.js';
import type { CriuRelease, Field, Row } from './row.js';
import type { OWN_FIELDS } from './rows/own.js';
import { type OptionName, rowOf, rowsOf } from './table.js';
import type { Operation, OptionsOf } from './types.js';

/** What the verb itself sets: fields that are not options, and those whose option is a path that the verb opens. */
export type OwnFields = Pick<CriuOpts, keyof typeof OWN_FIELDS | 'work_dir_fd' | 'config_file'>;

export interface EncodedOptions {
  readonly opts: CriuOpts;
  /**
   * Lines for the private config file (rpc/config-file.ts), after those of `config` if the caller gave one. The request names that
   * file in `config_file`; CRIU applies it after the request.
   */
  readonly configLines: readonly string[];
  /** The caller's own config file. */
  readonly config?: string;
  /** False: start CRIU with `--no-default-config`. */
  readonly defaultConfig: boolean;
}

/**
 * Checks every option and encodes it. Throws TypeError for an option that does not exist, does not belong to this operation or has
 * a value of the wrong type, RangeError for a value that CRIU cannot take. `undefined` counts as not given.
 */
export function encodeOptions<O extends Operation>(
  operation: O,
  options: OptionsOf[O],
  own: OwnFields,
): EncodedOptions {
  const opts: Partial<Record<Field, unknown>> = {};
  const configLines: string[] = [];
  for (const [name, row, value] of given(operation, options)) {
    const checked = checkedValue(name, row, value);
    if (row.via === 'rpc' && row.field !== undefined) opts[row.field] = row.encode ? row.encode(checked) : checked;
    if (row.config) configLines.push(...row.config(checked));
  }
  return {
    opts: { ...opts, ...own } as CriuOpts,
    configLines,
    ...(options.config === undefined ? {} : { config: options.config }),
    defaultConfig: options.defaultConfig ?? true,
  };
}

function given(operation: Operation, options: object): readonly (readonly [OptionName, Row, unknown])[] {
  for (const name of Object.keys(options)) assertKnown(operation, name);
  return rowsOf(operation)
    .map(([name, row]): readonly [OptionName, Row, unknown] => [name, row, Reflect.get(options, name)])
    .filter(([, , value]) => value !== undefined);
}

function assertKnown(operation: Operation, name: string): void {
  const row = rowOf(name);
  if (row === undefined) throw new TypeError(`Cannot ${words(operation)}: there is no option "${name}"`);
  if (row.operations.includes(operation)) return;
  const takers = row.operations.map(words).join(', ');
  throw new TypeError(`Cannot ${words(operation)}: option "${name}" belongs to ${takers}`);
}

function words(operation: Operation): string {
  return operation.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

function checkedValue(name: string, row: Row, value: unknown): unknown {
  try {
    return row.type.check(value);
  } catch (cause) {
    const text = `Cannot use option "${name}": ${(cause as Error).message}`;
    throw cause instanceof RangeError ? new RangeError(text) : new TypeError(text);
  }
}

/**
 * Throws CRIU_TOO_OLD when a given option needs a newer CRIU than `version`: CRIU itself would skip a field it does not know
 * without a word.
 */
export function assertTaken<O extends Operation>(
  operation: O,
  options: OptionsOf[O],
  criu: { readonly path: string; readonly version: CriuRelease },
): void {
  for (const [name, { since }] of given(operation, options)) {
    if (since === undefined || isAtLeast(criu.version, since)) continue;
    const version = `${criu.version.major}.${criu.version.minor}`;
    const needed = `${since.major}.${since.minor}`;
    const message = `Cannot use option "${name}": ${criu.path} is CRIU ${version}, ${needed} or newer takes it`;
    throw new CheckpointError('CRIU_TOO_OLD', message, { path: criu.path, version, needed });
  }
}

function isAtLeast(version: CriuRelease, since: CriuRelease): boolean {
  return version.major > since.major || (version.major === since.major && version.minor >= since.minor);
}
