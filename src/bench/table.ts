import type { BenchResult } from './model.js';

/** The closing table for a person: one row per peer and metric, then what differs and how sure that is. Ends with a newline. */
export function renderTable(result: BenchResult): string {
  return `${result.cells.map((cell) => cell.peer).join('\n')}\n`;
}
