// What is wrong with a migration before anything happens.

import { expect, it } from 'vitest';
import { assertMigration } from '../../../src/migrate/migrate.js';

const to = 'unix:/x';

it.each([Number.NaN, -1, 0, 0.5, 4095, 64 * 2 ** 30 + 1, 1e300])(
  'takes no delta cache of %d bytes',
  (deltaCacheBytes) => {
    expect(() => assertMigration({ to, deltaCacheBytes })).toThrow(RangeError);
  },
);

it.each([undefined, 4096, 64 * 2 ** 30])('takes a delta cache of %d bytes', (deltaCacheBytes) => {
  expect(assertMigration({ to, ...(deltaCacheBytes === undefined ? {} : { deltaCacheBytes }) }).to.kind).toBe('unix');
});
