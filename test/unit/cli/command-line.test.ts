import { describe, expect, it } from 'vitest';
import { parseCommandLine } from '../../../src/cli/parse/command-line.js';

describe('parseCommandLine()', () => {
  it.each([
    [['dump', '-t', '1'], { kind: 'criu', word: 'dump' }],
    [['-D', 'd', 'dump', '-t', '1'], { kind: 'criu', word: 'dump' }],
    [['cpuinfo', 'dump'], { kind: 'criu', word: 'cpuinfo', operands: ['dump'] }],
    [['restore', '--exec-cmd', '--', 'sh', '-c', 'x'], { kind: 'criu', operands: ['sh', '-c', 'x'] }],
    [['--version'], { kind: 'version' }],
    [['bogus', '-V', '--bogus'], { kind: 'version' }],
    [['dump', '-t', '-h'], { kind: 'help', topic: 'dump' }],
    [['dump', '-dh'], { kind: 'help', topic: 'dump' }],
    [['-V', '--help'], { kind: 'help', asked: true }],
    [['help', 'restore'], { kind: 'help', topic: 'restore' }],
    [[], { kind: 'help', asked: false }],
    [['doctor', '-t', '1', '--json'], { kind: 'own', word: 'doctor' }],
    [['doctor', '-t', '1', '--shell-job'], { kind: 'own', word: 'doctor' }],
    [['explain', '-'], { kind: 'own', word: 'explain', operands: ['-'] }],
    [['bench', 'dump', '--size', '1G', '--json', 'f'], { kind: 'own', word: 'bench', operands: ['dump'] }],
    [['bench', '-h'], { kind: 'help', topic: 'bench' }],
  ])('%j', (argv, expected) => {
    expect(parseCommandLine(argv)).toMatchObject(expected);
  });

  it.each([
    [['dmup', '-t', '1'], 'there is no command "dmup". Did you mean "dump"?'],
    [['dump', '--leave-runing'], 'there is no option "--leave-runing". Did you mean "--leave-running"?'],
    [['dump', '--jsno'], 'Did you mean "--json"?'],
    [['dump', '--tcp'], 'the option "--tcp" is ambiguous: --tcp-established, --tcp-close'],
    [['dump', '-t'], 'the option "-t" needs a value'],
    [['dump', '-t', '1', 'extra'], 'dump takes no operand, and was given "extra"'],
    [['--', 'dump', '-t', '1'], 'dump takes no operand, and was given "-t", "1"'],
    [['-d'], 'a command is required'],
    [['restore', '--exec-cmd'], '--exec-cmd requires a command'],
    [['dump', '--exec-cmd', '--', 'x'], '--exec-cmd is for restore only'],
    [['explain', '--leave-running'], 'there is no option "--leave-running"'],
  ])('%j is refused with a hint', (argv, message) => {
    const line = parseCommandLine(argv);
    expect(line.kind).toBe('wrong');
    expect(line.kind === 'wrong' && line.message).toContain(message);
  });

  it('hands CRIU everything but what is ours', () => {
    const line = parseCommandLine([
      '--json',
      'dump',
      '--criu',
      '/c',
      '-t',
      '1',
      '--absorb=never',
      '-vvv',
      '--session',
      'swrk',
    ]);
    expect(line).toMatchObject({ passOn: ['dump', '-t', '1', '-vvv'] });
  });

  it('leaves alone what only looks like ours', () => {
    const argv = ['restore', '--pidfile', '--json', '--exec-cmd', '--', '--quiet'];
    expect(parseCommandLine(argv)).toMatchObject({ passOn: argv });
  });
});
