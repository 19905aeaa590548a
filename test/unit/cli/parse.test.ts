import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { configArguments } from '../../../src/cli/parse/config-file.js';
import { CRIU_OPTIONS } from '../../../src/cli/parse/grammar.js';
import { editDistance, nearest } from '../../../src/cli/parse/nearest.js';
import { flagsFor } from '../../../src/options/flags.js';

describe('configArguments()', () => {
  it('reads the example of the manual', () => {
    const text = `tcp-established
work-dir "/home/USERNAME/criu/my \\"work\\" directory"
#this is a comment
no-restore-sibling   # this is another comment
`;
    expect(configArguments(text)).toEqual([
      '--tcp-established',
      '--work-dir',
      '/home/USERNAME/criu/my "work" directory',
      '--no-restore-sibling',
    ]);
  });

  it.each([
    ['', []],
    ['\n\n', []],
    ['  verbosity=4 ', ['--verbosity=4']],
    ['external ""', ['--external', '']],
    ['external mnt[/a#b]:c', ['--external', 'mnt[/a#b]:c']],
  ])('%j', (text, expected) => {
    expect(configArguments(text)).toEqual(expected);
  });

  it('never throws, and quotes round-trip', () => {
    fc.assert(fc.property(fc.string(), (text) => Array.isArray(configArguments(text))));
    const value = fc.string().filter((text) => !/[\n\\]/.test(text));
    fc.assert(
      fc.property(value, (text) => {
        expect(configArguments(`root "${text.replaceAll('"', '\\"')}"`)).toEqual(['--root', text]);
      }),
    );
  });
});

describe('nearest()', () => {
  it('names a typing error and nothing far off', () => {
    expect(nearest('dmup', ['dump', 'dedup', 'doctor'])).toBe('dump');
    expect(nearest('xyzzy', ['dump', 'restore'])).toBeUndefined();
  });

  it('editDistance() is symmetric and zero only for equals', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 12 }), fc.string({ maxLength: 12 }), (a, b) => {
        expect(editDistance(a, b)).toBe(editDistance(b, a));
        expect(editDistance(a, b) === 0).toBe(a === b);
      }),
    );
  });
});

describe('CRIU_OPTIONS', () => {
  const operations = ['dump', 'preDump', 'restore', 'pageServer', 'check', 'cpuinfo'] as const;
  // The command of --exec-cmd follows "--"; a bare -x is the rule, and
  // an inode beside it deprecated; -d is the short form of two.
  const specs = operations.flatMap(flagsFor);
  const otherValue = new Set(['--exec-cmd', '--ext-unix-sk']);

  it('has every flag of the option tables', () => {
    for (const { flags } of specs.filter(({ name }) => name !== 'daemon')) {
      const [long = '', short] = flags;
      const option = CRIU_OPTIONS.find(({ name }) => `--${name}` === long);
      expect(option, long).toBeDefined();
      if (short !== undefined) expect(`-${option?.short}`, long).toBe(short);
    }
  });

  it('agrees with them on which take a value', () => {
    for (const { flags, argument, argumentOptional } of specs.filter(({ flags }) => !otherValue.has(flags[0] ?? ''))) {
      const option = CRIU_OPTIONS.find(({ name }) => `--${name}` === flags[0]);
      const whenTaken = argumentOptional ? 'optional' : 'required';
      expect(option?.argument, flags[0]).toBe(argument === undefined ? 'none' : whenTaken);
    }
  });
});
