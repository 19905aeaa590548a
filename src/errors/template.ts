// The templates of the diagnosis table: {name} is filled in, <a part> vanishes with its unknown names.

export type Values = Readonly<Record<string, string | number | undefined>>;

/** Fills a template. An unknown name outside an optional part becomes "unknown", so that a sentence never breaks. */
export function fill(template: string, values: Values): string {
  return template
    .replace(/<([^<>]*)>/g, (_, part: string) => (namesOf(part).every((name) => known(values[name])) ? part : ''))
    .replace(/\{(\w+)\}/g, (_, name: string) => String(values[name] ?? 'unknown'));
}

function namesOf(part: string): string[] {
  return [...part.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? '');
}

// CRIU prints glibc's "(null)" for an absent name.
function known(value: string | number | undefined): boolean {
  return value !== undefined && value !== '' && value !== '(null)';
}
