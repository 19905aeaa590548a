// Option tables of runtimes: each option of a call becomes words of a command line, or is something that the runtime does not have.

import { CheckpointError } from '../errors/checkpoint-error.js';

type Encode<T> = (value: T) => readonly string[];

/** An entry for every option of `O` but those that are no words: streams, fds, signals. */
export type Flags<O, Wordless extends keyof O = never> = {
  readonly [K in Exclude<keyof O, Wordless>]-?: Encode<NonNullable<O[K]>> | undefined;
};

export function on(flag: string): Encode<boolean> {
  return (value) => (value ? [flag] : []);
}

export function text(flag: string): Encode<string> {
  return (value) => [flag, value];
}

export function each(flag: string): Encode<ReadonlyArray<string | number>> {
  return (values) => values.flatMap((value) => [flag, String(value)]);
}

/** Said in another way, or by the caller. */
export const nothing: Encode<unknown> = () => [];

export interface Encoding {
  /** The runtime's name, for messages. */
  readonly runtime: string;
  readonly verb: string;
}

/**
 * The words of the options that are in the table; others are somebody else's. Throws FEATURE_MISSING for one that the runtime does not
 * have, unless it is off.
 */
export function wordsOf(options: object, flags: object, { runtime, verb }: Encoding): readonly string[] {
  const words: string[] = [];
  for (const [name, encode] of Object.entries(flags)) {
    const value: unknown = Reflect.get(options, name);
    if (value === undefined) continue;
    if (typeof encode === 'function') words.push(...encode(value));
    else if (value !== false) throw missing(name, { runtime, verb });
  }
  return words;
}

function missing(option: string, { runtime, verb }: Encoding): CheckpointError<'FEATURE_MISSING'> {
  const message = `Cannot ${verb} with option "${option}": ${runtime} does not have it`;
  return new CheckpointError('FEATURE_MISSING', message, { feature: `${runtime} ${verb}`, option });
}
