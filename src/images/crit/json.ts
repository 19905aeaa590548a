// JSON as Python's json.dump writes it: every byte ASCII, ", " and ": " between things, or four spaces a level. Numbers of 64 bits
// are bigint here, so that none is rounded.

export type Json = null | boolean | number | bigint | string | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json;
}

/** `depth` is the level of the value when it is a part of something larger. Compact: one line. */
export function jsonText(value: Json, layout: 'pretty' | 'compact', depth = 0): string {
  if (typeof value === 'string') return stringText(value);
  if (typeof value !== 'object' || value === null) return String(value);
  const between = layout === 'pretty' ? `,${lineAt(depth + 1)}` : ', ';
  if (Array.isArray(value)) {
    const items = value.map((item) => jsonText(item, layout, depth + 1));
    return enclosed('[', items.join(between), ']', layout === 'pretty' ? depth : undefined);
  }
  let members = '';
  for (const [key, member] of Object.entries(value as JsonObject))
    members += `${members === '' ? '' : between}${stringText(key)}: ${jsonText(member, layout, depth + 1)}`;
  return enclosed('{', members, '}', layout === 'pretty' ? depth : undefined);
}

/** A new line with the indentation of `depth`. */
export function lineAt(depth: number): string {
  return `\n${'    '.repeat(depth)}`;
}

function enclosed(open: string, inside: string, close: string, depth: number | undefined): string {
  if (inside === '' || depth === undefined) return open + inside + close;
  return open + lineAt(depth + 1) + inside + lineAt(depth) + close;
}

const PLAIN = /^[ !#-[\]-~]*$/;
const SPECIAL = /[^ !#-[\]-~]/g;
const SHORT: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\f': '\\f',
  '\b': '\\b',
};

function stringText(text: string): string {
  if (PLAIN.test(text)) return `"${text}"`;
  return `"${text.replace(SPECIAL, (unit) => SHORT[unit] ?? `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)}"`;
}
