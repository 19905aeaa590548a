import { readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { optionsPage } from '../../../src/options/document.js';

const PAGE = new URL('../../../docs/options.md', import.meta.url);

test('docs/options.md is what the tables say', () => {
  if (process.env['FRAZIL_WRITE_DOCS'] === '1') writeFileSync(PAGE, optionsPage());
  expect(readFileSync(PAGE, 'utf8')).toBe(optionsPage());
});
