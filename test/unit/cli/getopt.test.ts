import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { getopt } from '../../../src/cli/parse/getopt.js';
import { CRIU_OPTIONS } from '../../../src/cli/parse/grammar.js';
import { OWN_OPTIONS } from '../../../src/cli/parse/own.js';

const scan = (...argv: string[]) => getopt(argv, { long: CRIU_OPTIONS, exact: OWN_OPTIONS });
const brief = (...argv: string[]) => {
  const { occurrences, operands, error } = scan(...argv);
  return {
    found: occurrences.map(
      ({ option, value }) => `${option.on ? '' : 'no '}${option.sets}${value === undefined ? '' : `=${value}`}`,
    ),
    operands,
    ...(error === undefined ? {} : { error: `${error.kind} ${error.written}` }),
  };
};

describe('getopt() reads options as getopt_long does', () => {
  it.each([
    [['-t', '12'], ['tree=12']],
    [['-t12'], ['tree=12']],
    [['--tree=12'], ['tree=12']],
    [['--tree', '12'], ['tree=12']],
    [['--tre', '12'], ['tree=12']],
    [['-dv4'], ['restore-detached', 'verbosity=4']],
    [['-v'], ['verbosity']],
    [['-vvv'], ['verbosity=vv']],
    [['--verbosity=3'], ['verbosity=3']],
    [
      ['-Rjt', '7'],
      ['leave-running', 'shell-job', 'tree=7'],
    ],
    [['-Rjt7'], ['leave-running', 'shell-job', 'tree=7']],
    [['--leave-run'], ['leave-running']],
    [['--no-tcp-e'], ['no tcp-established']],
    [
      ['--daemon', '--no-restore-detached'],
      ['restore-detached', 'no restore-detached'],
    ],
    [['--tls'], ['tls']],
    [['--extra'], ['extra']],
    [['--externa', 'x'], ['external=x']],
    [['--manage-cgroups'], ['manage-cgroups']],
    [['--manage-cgroups=full'], ['manage-cgroups=full']],
    [['-x'], ['ext-unix-sk']],
    [['-x12,13'], ['ext-unix-sk=12,13']],
    [
      ['-t', '--', '-R'],
      ['tree=--', 'leave-running'],
    ],
    [['--pidfile', '-d'], ['pidfile=-d']],
    [
      ['--json', '--absorb', '--absorb=never', '--criu', '/c'],
      ['json', 'absorb', 'absorb=never', 'criu=/c'],
    ],
  ])('%j', (argv, found) => {
    expect(brief(...argv)).toEqual({ found, operands: [] });
  });

  it.each([
    [['--leave'], 'ambiguous --leave'],
    [['--tcp'], 'ambiguous --tcp'],
    [['--no-'], 'ambiguous --no-'],
    [['--bogus'], 'unknown --bogus'],
    [['--no-lazy-pages'], 'unknown --no-lazy-pages'],
    [['-q'], 'unknown -q'],
    [['-t'], 'needs-value -t'],
    [['--tree'], 'needs-value --tree'],
    [['--leave-running=1'], 'takes-no-value --leave-running'],
    [['--jso'], 'unknown --jso'],
  ])('%j is a mistake', (argv, error) => {
    expect(brief(...argv)).toMatchObject({ error });
  });

  it('permutes operands, keeps a lone dash, and stops at --', () => {
    expect(brief('a', '-R', 'b', '-', '--', '-t', '1')).toEqual({
      found: ['leave-running'],
      operands: ['a', 'b', '-', '-t', '1'],
    });
  });

  it('reports what came before the mistake', () => {
    expect(brief('-V', 'dump', '--bogus', '-R')).toEqual({
      found: ['version'],
      operands: ['dump'],
      error: 'unknown --bogus',
    });
  });

  it('takes every name in full, whatever else begins with it', () => {
    for (const option of CRIU_OPTIONS) {
      const [first] = getopt([`--${option.name}`, 'x'], { long: CRIU_OPTIONS }).occurrences;
      expect(first?.option).toBe(option);
    }
  });

  it('never throws and never loses a token', () => {
    const token = fc.oneof(
      fc.string(),
      fc.constantFrom('--', '-', '-t', '-dv4', '--tree=1', '--leave-r', '--no-tls', '--json', 'dump'),
      fc.string().map((tail) => `--${tail}`),
    );
    fc.assert(
      fc.property(fc.array(token), (argv) => {
        const { occurrences, operands, error } = getopt(argv, { long: CRIU_OPTIONS, exact: OWN_OPTIONS });
        const named = new Map(occurrences.map(({ at, tokens }) => [at, tokens]));
        const taken = [...named.values()].reduce((sum, tokens) => sum + tokens, 0);
        const separator = argv.length - taken - operands.length;
        if (error === undefined) expect([0, 1]).toContain(separator);
      }),
    );
  });
});
