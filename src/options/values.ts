// Types of option values: how one is checked when a program gives it, and how it is read from a command line. CRIU parses its
// arguments itself and complains in its log; here a mistake is a TypeError or RangeError before anything starts.

import type { CgroupRoot, InheritedFd, JoinNamespace, MountMapping } from './types.js';

export interface ValueType<V> {
  /** For the documentation: `boolean`, `string`, `bytes`, ... */
  readonly name: string;
  /** Name of the argument in help texts. Absent: the flag takes none. */
  readonly argument?: string;
  /** True when the argument may be left out (`--manage-cgroups`). */
  readonly argumentOptional?: true;
  /** Throws TypeError or RangeError with the reason only; the caller adds the option's name. */
  check(value: unknown): V;
  /** One occurrence on a command line, given what earlier ones made. `text` is undefined when there is no argument. */
  parse(text: string | undefined, previous: V | undefined): V;
}

export const flag: ValueType<boolean> = {
  name: 'boolean',
  check(value) {
    if (typeof value !== 'boolean') throw new TypeError('true or false expected');
    return value;
  },
  parse: () => true,
};

/** A flag that says no. */
export const flagOff: ValueType<boolean> = { ...flag, parse: () => false };

function checkString(value: unknown): string {
  if (typeof value !== 'string') throw new TypeError('a string expected');
  if (value.includes('\0')) throw new TypeError('a string without NUL expected');
  return value;
}

export function text(argument: string): ValueType<string> {
  return { name: 'string', argument, check: checkString, parse: (given) => checkString(given) };
}

/** A file name without a directory: CRIU refuses a slash. */
export const bareFileName: ValueType<string> = {
  name: 'string',
  argument: 'FILE',
  check(value) {
    const name = checkString(value);
    if (name === '' || name.includes('/'))
      throw new RangeError('a bare file name expected: CRIU writes it into the work directory and takes no path');
    return name;
  },
  parse: (given) => bareFileName.check(given),
};

/** Of the parent images directory: CRIU links it, and a chain that moves must not point back at the old place. */
export const relativePath: ValueType<string> = {
  name: 'string',
  argument: 'DIR',
  check(value) {
    const path = checkString(value);
    if (path === '' || path.startsWith('/'))
      throw new RangeError(`the path must be relative to the images directory, not "${path}"`);
    return path;
  },
  parse: (given) => relativePath.check(given),
};

export function integer(argument: string, low: number, high: number): ValueType<number> {
  const check = (value: unknown): number => {
    if (typeof value !== 'number' || !Number.isInteger(value)) throw new TypeError('a whole number expected');
    if (value < low || value > high) throw new RangeError(`a number from ${low} to ${high} expected, not ${value}`);
    return value;
  };
  return {
    name: 'number',
    argument,
    check,
    parse: (given) => check(/^\d+$/.test(given ?? '') ? Number(given) : Number.NaN),
  };
}

const UINT32_MAX = 2 ** 32 - 1;
const SUFFIX = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 } as const;

/** Bytes that fit CRIU's 32 bit field. */
export const size: ValueType<number> = {
  name: 'bytes',
  argument: 'SIZE',
  check: integer('SIZE', 0, UINT32_MAX).check,
  parse(given) {
    const [, digits, suffix] = /^(\d+)([KMG]?)$/.exec(given ?? '') ?? [];
    if (digits === undefined) throw new TypeError(`a size such as 64K, 1M or 1G expected, not "${given}"`);
    return size.check(Number(digits) * SUFFIX[suffix as keyof typeof SUFFIX]);
  },
};

const LOG_LEVELS = [0, 1, 2, 3, 4] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];
const CRIU_LOG_LEVEL: LogLevel = 2;

/** `-v` is one more than before, `-vv` two, `-v4` is 4. */
export const logLevel: ValueType<LogLevel> = {
  name: '0 to 4',
  argument: 'NUM',
  argumentOptional: true,
  check(value) {
    const found = LOG_LEVELS.find((level) => level === value);
    if (found === undefined) throw new RangeError(`a number from 0 to 4 expected, not ${String(value)}`);
    return found;
  },
  parse(given, previous) {
    const base = previous ?? CRIU_LOG_LEVEL;
    if (given === undefined || given === '') return clampLevel(base + 1);
    if (/^v+$/.test(given)) return clampLevel(base + 1 + given.length);
    if (!/^\d+$/.test(given)) throw new TypeError(`a number expected, not "${given}"`);
    return clampLevel(Number(given));
  },
};

function clampLevel(level: number): LogLevel {
  return LOG_LEVELS.find((known) => known === level) ?? 4;
}

export function choice<const C extends readonly string[]>(choices: C, whenBare?: C[number]): ValueType<C[number]> {
  const check = (value: unknown): C[number] => {
    const found = choices.find((one) => one === value);
    if (found === undefined) throw new RangeError(`one of ${choices.join(', ')} expected, not "${String(value)}"`);
    return found;
  };
  return {
    name: choices.map((one) => `'${one}'`).join(' \\| '),
    argument: 'METHOD',
    ...(whenBare === undefined ? {} : { argumentOptional: true }),
    check,
    parse: (given) => check(given ?? whenBare),
  };
}

/** A list whose flag may be repeated. `split` is for arguments that are lists themselves. */
export function list<V>(of: ValueType<V>, split?: ','): ValueType<readonly V[]> {
  return {
    name: `list of ${of.name}`,
    ...(of.argument === undefined ? {} : { argument: of.argument }),
    check(value) {
      if (!Array.isArray(value)) throw new TypeError('an array expected');
      return value.map((one) => of.check(one));
    },
    parse(given, previous) {
      const parts = split === undefined ? [given] : (given ?? '').split(split);
      return [...(previous ?? []), ...parts.map((part) => of.parse(part, undefined))];
    },
  };
}

interface Shape<T> {
  readonly name: string;
  readonly argument: string;
  /** Names of the string fields; `?` marks one that may be absent. */
  readonly fields: readonly string[];
  parse(text: string): T;
}

function record<T extends object>({ name, argument, fields, parse }: Shape<T>): ValueType<T> {
  const known = new Set(fields.map((field) => field.replace('?', '')));
  const check = (value: unknown): T => {
    if (typeof value !== 'object' || value === null) throw new TypeError(`${name} expected`);
    const stray = Object.keys(value).find((key) => !known.has(key));
    if (stray !== undefined) throw new TypeError(`${name} expected: there is no "${stray}"`);
    for (const field of fields) {
      const one: unknown = Reflect.get(value, field.replace('?', ''));
      if (one === undefined && field.endsWith('?')) continue;
      if (typeof one !== (field === 'fd' ? 'number' : 'string'))
        throw new TypeError(`${name} expected: "${field}" is wrong`);
    }
    return value as T;
  };
  return { name, argument, check, parse: (given) => check(parse(given ?? '')) };
}

function halves(given: string, form: string): readonly [string, string] {
  const at = given.indexOf(':');
  if (at < 1 || at === given.length - 1) throw new TypeError(`${form} expected, not "${given}"`);
  return [given.slice(0, at), given.slice(at + 1)];
}

export const mountMapping: ValueType<MountMapping> = record({
  name: '{ key, value }',
  argument: 'KEY:VALUE',
  fields: ['key', 'value'],
  parse(given) {
    const [key, value] = halves(given, 'KEY:VALUE');
    return { key, value };
  },
});

export const cgroupRoot: ValueType<CgroupRoot> = record({
  name: '{ controller?, path }',
  argument: '[CONTROLLER:]/PATH',
  fields: ['controller?', 'path'],
  parse(given): CgroupRoot {
    if (given.startsWith('/')) return { path: given };
    const [controller, path] = halves(given, '[CONTROLLER:]/PATH');
    return { controller, path };
  },
});

const NAMESPACES = choice(['net', 'uts', 'ipc', 'time', 'user', 'mnt']);

export const joinNamespace: ValueType<JoinNamespace> = record({
  name: '{ namespace, from, extra? }',
  argument: 'NS:PID|FILE[,EXTRA]',
  fields: ['namespace', 'from', 'extra?'],
  parse(given): JoinNamespace {
    const [name, rest] = halves(given, 'NS:PID|FILE[,EXTRA]');
    const namespace = NAMESPACES.check(name);
    const comma = rest.indexOf(',');
    return comma === -1
      ? { namespace, from: rest }
      : { namespace, from: rest.slice(0, comma), extra: rest.slice(comma + 1) };
  },
});

export const inheritedFd: ValueType<InheritedFd> = record({
  name: '{ key, fd }',
  argument: 'fd[NUM]:RES',
  fields: ['key', 'fd'],
  parse(given) {
    const [, fd, key] = /^fd\[(\d+)\]:(.+)$/.exec(given) ?? [];
    if (fd === undefined || key === undefined) throw new TypeError(`fd[NUM]:RES expected, not "${given}"`);
    return { key, fd: Number(fd) };
  },
});
