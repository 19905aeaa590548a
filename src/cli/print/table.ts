// Columns for a terminal. The last column takes what is left and is wrapped under itself.

import { wrap } from './wrap.js';

const GAP = '  ';
const NARROWEST = 24;

/** Lines without trailing blanks. Every row has as many cells as the first. */
export function table(rows: readonly (readonly string[])[], columns: number): readonly string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  const fixed = widths.slice(0, -1);
  const indent = fixed.reduce((sum, width) => sum + width + GAP.length, 0);
  const width = Math.max(NARROWEST, columns - indent);
  return rows.flatMap((row) => {
    const head = fixed.map((size, column) => (row[column] ?? '').padEnd(size) + GAP).join('');
    const [first = '', ...more] = wrap(row.at(-1) ?? '', width);
    return [(head + first).trimEnd(), ...more.map((line) => ' '.repeat(indent) + line)];
  });
}
