import type { BenchResult } from '../model.js';
export function renderHtml(_result: BenchResult): string {
  return '';
}
