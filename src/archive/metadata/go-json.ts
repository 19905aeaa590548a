// JSON as Go's encoding/json writes and reads it, because the files of an archive are compared byte by byte and read by Go programs: what is
// escaped, how it is indented, that keys match whatever their case, and what is said about a wrong type.

/** A field of a Go struct: its key, its type, and whether it is left out when it is empty. */
export interface GoField {
  readonly key: string;
  readonly type: GoType;
  readonly omitEmpty?: boolean;
}
export type GoType =
  | 'string'
  | 'bool'
  | 'int'
  | 'int32'
  | 'int64'
  | 'uint32'
  | 'time.Time'
  | 'map[string]string'
  | { readonly list: GoStruct };

export interface GoStruct {
  readonly name: string;
  readonly fields: readonly GoField[];
}

/** What a time is that was never set. */
export const ZERO_TIME = '0001-01-01T00:00:00Z';

const ESCAPES: Readonly<Record<string, string>> = {
  '<': '\\u003c',
  '>': '\\u003e',
  '&': '\\u0026',
  '\u2028': '\\u2028',
  '\u2029': '\\u2029',
};
// Go has no short forms of these two.
const LONG_ESCAPES: Readonly<Record<string, string>> = { '\\b': '\\u0008', '\\f': '\\u000c' };

/** json.Marshal, or with `indent` json.MarshalIndent. No newline at the end. Throws TypeError for what JSON cannot say. */
export function goMarshal(value: unknown, indent = 0): string {
  const text = JSON.stringify(value, undefined, indent);
  if (text === undefined) throw new TypeError(`json: unsupported type: ${typeof value}`);
  const strings = text.replace(/"(?:[^"\\]|\\.)*"/g, (string) =>
    string.replace(/\\[bf]|\\./g, (two) => LONG_ESCAPES[two] ?? two),
  );
  return strings.replace(/[<>&\u2028\u2029]/g, (letter) => ESCAPES[letter] ?? letter);
}

/** The fields of `struct` in its order, as Go would write them: with zero values, less what is left out when empty. */
export function goStruct(
  struct: GoStruct,
  value: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    struct.fields.flatMap(({ key, type, omitEmpty = false }) => {
      const found = value[key] ?? zeroOf(type);
      const shown =
        typeof type === 'object' && Array.isArray(found) ? found.map((one) => goStruct(type.list, one)) : found;
      return omitEmpty && isEmpty(shown) ? [] : [[key, shown]];
    }),
  );
}

function isEmpty(value: unknown): boolean {
  if (value === null || value === '' || value === 0 || value === false) return true;
  return typeof value === 'object' && Object.keys(value).length === 0;
}

function zeroOf(type: GoType): unknown {
  if (typeof type === 'object' || type === 'map[string]string') return null;
  if (type === 'string') return '';
  if (type === 'bool') return false;
  return type === 'time.Time' ? ZERO_TIME : 0;
}

/** json.Unmarshal into `struct`: unknown keys are ignored, absent ones are zero. Throws RangeError with Go's words. */
export function goUnmarshal(struct: GoStruct, text: string): Readonly<Record<string, unknown>> {
  return intoStruct(struct, goParse(text), struct.name);
}

/** Throws RangeError with Go's words, as far as those are known. */
export function goParse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new RangeError(syntaxError(text, cause), { cause });
  }
}

function syntaxError(text: string, cause: unknown): string {
  const first = text.trimStart()[0];
  if (first === undefined || /Unexpected end|Unterminated/.test(String(cause))) return 'unexpected end of JSON input';
  if (!/[[{"\-0-9tfn]/.test(first)) return `invalid character '${first}' looking for beginning of value`;
  return cause instanceof Error ? cause.message : String(cause);
}

function intoStruct(struct: GoStruct, value: unknown, path: string): Readonly<Record<string, unknown>> {
  // null leaves everything as it is.
  if (value !== null && (typeof value !== 'object' || Array.isArray(value)))
    throw mismatch(value, `value of type ${struct.name}`);
  const found: Record<string, unknown> = Object.fromEntries(struct.fields.map(({ key, type }) => [key, zeroOf(type)]));
  for (const [key, given] of Object.entries(value ?? {})) {
    const field = fieldOf(struct, key);
    if (field !== undefined && given !== null) found[field.key] = converted(field.type, given, `${path}.${field.key}`);
  }
  return found;
}

function fieldOf({ fields }: GoStruct, key: string): GoField | undefined {
  return (
    fields.find((field) => field.key === key) ?? fields.find((field) => field.key.toLowerCase() === key.toLowerCase())
  );
}

function converted(type: GoType, value: unknown, path: string): unknown {
  if (typeof type === 'object') {
    if (!Array.isArray(value)) throw mismatch(value, `struct field ${path} of type []${type.list.name}`);
    return value.map((one) => intoStruct(type.list, one, path));
  }
  if (!fits(type, value)) throw mismatch(value, `struct field ${path} of type ${type}`);
  return value;
}

const RANGES: Partial<Record<string, readonly [lowest: number, highest: number]>> = {
  int32: [-(2 ** 31), 2 ** 31 - 1],
  uint32: [0, 2 ** 32 - 1],
};

function fits(type: Exclude<GoType, object>, value: unknown): boolean {
  if (type === 'string') return typeof value === 'string';
  if (type === 'bool') return typeof value === 'boolean';
  if (type === 'time.Time') return typeof value === 'string' && !Number.isNaN(Date.parse(value));
  if (type === 'map[string]string')
    return typeof value === 'object' && value !== null && Object.values(value).every((one) => typeof one === 'string');
  const [lowest, highest] = RANGES[type] ?? [-(2 ** 63), 2 ** 63];
  return typeof value === 'number' && Number.isInteger(value) && value >= lowest && value <= highest;
}

function mismatch(value: unknown, into: string): RangeError {
  const kind = Array.isArray(value)
    ? 'array'
    : value === null
      ? 'null'
      : typeof value === 'boolean'
        ? 'bool'
        : typeof value;
  return new RangeError(`json: cannot unmarshal ${kind} into Go ${into}`);
}
