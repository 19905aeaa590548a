// The grammar of the command line against the real CRIU's: every option by name, and random command lines. The command word is one
// that CRIU does not know, so whatever parses ends there and nothing is ever dumped.

import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { getopt } from '../../src/cli/parse/getopt.js';
import { CRIU_OPTIONS, type LongOption } from '../../src/cli/parse/grammar.js';
import { locate } from '../../src/criu/locate.js';

const { path: criu } = await locate();
const WORD = 'no-such-command';

/** `parsed:WORD` when the options are right: the first operand is then taken for the command. */
type Verdict = string;

const SAID: readonly (readonly [RegExp, Verdict])[] = [
  [/unrecognized option|invalid option/, 'unknown'],
  [/is ambiguous/, 'ambiguous'],
  [/requires an argument/, 'needs-value'],
  [/doesn't allow an argument/, 'takes-no-value'],
];

function theirs(argv: readonly string[]): Verdict {
  const { stderr } = spawnSync(criu, argv, { encoding: 'utf8', env: {} });
  const [, word] = /unknown command: (.*)/.exec(stderr) ?? [];
  return SAID.find(([pattern]) => pattern.test(stderr))?.[1] ?? (word === undefined ? 'other' : `parsed:${word}`);
}

function ours(argv: readonly string[]): Verdict {
  const { operands, error } = getopt(argv, { long: CRIU_OPTIONS });
  return error?.kind ?? `parsed:${operands[0] ?? ''}`;
}

// Values that CRIU takes, so that what it says is about the grammar.
const VALUES: Readonly<Record<string, string>> = {
  'veth-pair': 'a=b',
  'join-ns': 'net:1',
  'ext-mount-map': 'a:b',
  'inherit-fd': 'fd[0]:x',
  'empty-ns': 'net',
  'network-lock': 'skip',
  'file-validation': 'filesize',
  'pre-dump-mode': 'read',
  feature: 'uffd',
  close: '77',
  'cpu-cap': 'all',
  'manage-cgroups': 'full',
  config: '/nonexistent',
  'cgroup-root': '/x',
};
const sampleOf = ({ sets }: LongOption): string => VALUES[sets] ?? '1';
// Those end CRIU before it comes to the command word; -v0 silences it.
const ENDING = new Set(['help', 'version', 'ms', 'verbosity']);
const usable = CRIU_OPTIONS.filter(({ sets }) => !ENDING.has(sets));

describe('the grammar is that of the CRIU in use', () => {
  it.each(usable.map((option) => [option.name, option] as const))('--%s', (name, option) => {
    const full = option.argument === 'none' ? [`--${name}`] : [`--${name}=${sampleOf(option)}`];
    expect(theirs([...full, WORD])).toBe(`parsed:${WORD}`);
    if (option.argument === 'none') expect(theirs([`--${name}=1`, WORD])).toBe('takes-no-value');
    if (option.argument === 'required') expect(theirs([WORD, `--${name}`])).toBe('needs-value');
    if (option.argument === 'optional') expect(theirs([WORD, `--${name}`])).toBe(`parsed:${WORD}`);
    if (option.short !== undefined) {
      const short = option.argument === 'none' ? `-${option.short}` : `-${option.short}${sampleOf(option)}`;
      expect(theirs([short, WORD])).toBe(`parsed:${WORD}`);
    }
  });

  it('knows no option that CRIU does not know, and none less, by all abbreviations', () => {
    const abbreviations = fc
      .constantFrom(...usable)
      .chain(({ name }) => fc.integer({ min: 1, max: name.length }).map((n) => name.slice(0, n)));
    fc.assert(
      fc.property(abbreviations, (name) => {
        const argv = [`--${name}=`, WORD];
        const verdict = theirs(argv);
        if (verdict !== 'other') expect(ours(argv), name).toBe(verdict);
      }),
      { numRuns: 150 },
    );
  });

  it('bundles, attaches, permutes and stops as CRIU does', () => {
    const token = fc.oneof(
      fc.constantFrom(
        '-R',
        '-dj',
        '-sRdSjl',
        '-t1',
        '-t',
        '1',
        '--',
        '-',
        '--tree',
        '--tree=1',
        '-x',
        '-x5',
        '--no-tls',
        '--cpu-cap',
        '-dq',
        '--bogus',
        '--leave',
      ),
      fc
        .constantFrom(...usable)
        .map((option) => `--${option.name}${option.argument === 'none' ? '' : `=${sampleOf(option)}`}`),
    );
    fc.assert(
      fc.property(fc.array(token, { maxLength: 5 }), fc.nat(5), (tokens, at) => {
        const argv = [...tokens.slice(0, at), WORD, ...tokens.slice(at)];
        const verdict = theirs(argv);
        if (verdict !== 'other') expect(ours(argv), argv.join(' ')).toBe(verdict);
      }),
      { numRuns: 200 },
    );
  });
});
