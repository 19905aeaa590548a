// Columns as crit prints them.

/** Right-aligned, as %7d. */
export function right(value: number | string, width = 7): string {
  return String(value).padStart(width);
}

/** As %08lx. */
export function address(value: bigint): string {
  return value.toString(16).padStart(8, '0');
}

/**
 * A name out of an image, which a task chose. Control characters but the tab would act on the terminal and a new line would make a
 * second line: they are written as \xNN, where crit prints them.
 */
export function shown(name: string): string {
  return name.replace(/[\p{Cc}\p{Surrogate}]/gu, (character) =>
    character === '\t' ? character : `\\x${hexOf(character)}`,
  );
}

function hexOf(character: string): string {
  // A byte that is no UTF-8 is U+DC00 plus itself.
  return (character.charCodeAt(0) & 0xff).toString(16).padStart(2, '0');
}
