import { expect, it } from 'vitest';
import { RULES } from '../../../src/errors/rules/all.js';
import { HINTS } from '../../../src/errors/rules/hints.js';
import { OPTIONS, rowOf } from '../../../src/options/table.js';

it.each(Object.values(HINTS))('the hint $option is an option with the flag $flag', ({ option, flag }) => {
  const row = rowOf(option);
  expect(row).toBeDefined();
  // "--ext-mount-map auto" is a flag with its value; an option without a flag of CRIU's is ours alone.
  if (row !== undefined && row.flags.length > 0) expect(row.flags).toContain(flag.split(' ')[0]);
});

it('every option that a remedy names exists', () => {
  const names = RULES.flatMap(({ remedy = '' }) =>
    [...remedy.matchAll(/\b([a-z]+[A-Z]\w*)(?=: | \(--)/g)].map((match) => match[1]),
  );
  expect(names.length).toBeGreaterThan(20);
  for (const name of names) expect(Object.keys(OPTIONS)).toContain(name);
});

it('every flag that a remedy names exists', () => {
  const flags = new Set(Object.values(OPTIONS).flatMap((row) => row.flags as readonly string[]));
  for (const { remedy = '' } of RULES) {
    for (const [, flag = ''] of remedy.matchAll(/\((--[a-z-]+)/g)) expect(flags).toContain(flag);
  }
});
