import type { BenchResult } from '../model.js';
export function renderSvg(_result: BenchResult): string {
  return '';
}
