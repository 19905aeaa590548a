// run() without a process of its own: what comes before any verb, and what is said where.

import { describe, expect, it } from 'vitest';
import { namedFds } from '../../../src/cli/hand-over.js';
import { helpOn } from '../../../src/cli/help/help.js';
import { interruptible } from '../../../src/cli/interruption.js';
import { parseCommandLine } from '../../../src/cli/parse/command-line.js';
import { settle } from '../../../src/cli/parse/settings.js';
import { run } from '../../../src/cli/run.js';
import { Terminal } from '../../../src/cli/terminal.js';

function host(isTTY = false) {
  const said = { stdout: '', stderr: '' };
  const sink = (name: keyof typeof said) => ({
    isTTY,
    columns: 100,
    write: (text: string) => {
      said[name] += text;
    },
  });
  const listeners = new Map<string, () => void>();
  const exits: number[] = [];
  return {
    said,
    exits,
    send: (signal: string) => listeners.get(signal)?.(),
    stdout: sink('stdout'),
    stderr: sink('stderr'),
    env: { HOME: '/nonexistent', FRAZIL_CRIU: '/nonexistent/criu' },
    on: (signal: string, listener: () => void) => listeners.set(signal, listener),
    exit: (code: number) => exits.push(code),
  };
}

describe('run()', () => {
  it.each([
    [['dmup'], 2, 'Did you mean "dump"?'],
    [['dump'], 2, 'dump needs the pid of the root of the tree: -t PID'],
    [['dump', '-t', '1', '--absorb=maybe'], 2, '--absorb: one of always, never, auto expected, not "maybe"'],
    [['dump', '-t', '1', '--session', 'libcriu'], 2, '--session libcriu'],
    [['dump', '-t', 'x'], 2, '-t: a whole number expected'],
    [['pre-dump', '-t', '1', '--lazy-pages'], 2, 'pre-dump cannot be combined with --lazy-pages'],
    [['restore', '-S'], 2, '--restore-sibling makes sense with --restore-detached only'],
    [['cpuinfo', 'guess'], 2, 'cpuinfo has no action "guess"'],
    [['explain'], 2, 'explain needs one log file'],
    [['bench'], 2, 'bench needs one scenario'],
    [['bench', 'nothing'], 2, 'nothing'],
    [['bench', 'restore', '--size', '64X'], 2, '--size: a size expected, such as 100M, not "64X"'],
    [['bench', 'restore', '--size', '17T'], 2, 'Cannot use sizeBytes'],
    [['bench', 'nothing', '--size', '64G'], 2, 'Cannot find scenario "nothing"'],
    [['restore', '--lazy', '--stream'], 2, '--lazy is done by Frazil, and --stream is not reachable over RPC'],
    [['page-server', '--small', 'x'], 2, '--small is done by Frazil'],
    [['restore', '--lazy', '--cache', 'all'], 2, '--cache: a size expected'],
    [['doctor', 'x'], 2, 'doctor takes no operand'],
    [['help', 'dmup'], 2, 'Did you mean "dump"?'],
    [['explain', '/nonexistent/log'], 1, 'Cannot read the log "/nonexistent/log": ENOENT'],
    [['restore', '-D', '/nonexistent/dir'], 1, 'Cannot open the images directory "/nonexistent/dir": ENOENT'],
    [['dedup'], 3, 'FRAZIL_CRIU names "/nonexistent/criu", which is not a program'],
  ])('%j ends with %i and says why on stderr', async (argv, status, message) => {
    const at = host();
    expect(await run(argv, at)).toBe(status);
    expect(at.said.stderr).toContain(message);
    expect(at.said.stdout).toBe('');
  });

  it('answers a mistake as one object when --json is asked for', async () => {
    const at = host();
    expect(await run(['dump', '--json'], at)).toBe(2);
    expect(JSON.parse(at.said.stdout)).toMatchObject({ code: 'USAGE', message: expect.stringContaining('-t PID') });
  });

  it('answers an error with code, message and detail', async () => {
    const at = host();
    expect(await run(['dedup', '--json'], at)).toBe(3);
    expect(JSON.parse(at.said.stdout)).toMatchObject({
      code: 'CRIU_MISSING',
      detail: { tried: ['/nonexistent/criu'] },
    });
  });

  it('shows help on stdout: asked for with 0, instead of a command with 2', async () => {
    const [asked, bare] = [host(), host()];
    expect(await run(['dump', '-h'], asked)).toBe(0);
    expect(asked.said.stdout).toContain('--leave-running');
    expect(await run([], bare)).toBe(2);
    expect(bare.said.stdout).toContain('Usage: frazil COMMAND');
  });
});

describe('helpOn()', () => {
  it.each([
    undefined,
    'dump',
    'pre-dump',
    'restore',
    'check',
    'page-server',
    'lazy-pages',
    'dedup',
    'cpuinfo',
    'doctor',
    'explain',
    'bench',
    'help',
  ])('%s fits the terminal', (topic) => {
    // A flag with its argument is not broken.
    const tooWide = helpOn(topic, 100)
      .split('\n')
      .filter((line) => line.length > 100);
    expect(tooWide).toEqual([]);
  });
});

describe('interruptible()', () => {
  it('aborts first, exits then', () => {
    const at = host();
    const { signal } = interruptible(at, new Terminal(at));
    at.send('SIGINT');
    expect([signal.aborted, at.exits]).toEqual([true, []]);
    at.send('SIGTERM');
    expect(at.exits).toEqual([130]);
  });

  it('can be diverted and given back', () => {
    const at = host();
    const interruption = interruptible(at, new Terminal(at));
    let diverted = 0;
    const back = interruption.divert(() => {
      diverted += 1;
    });
    at.send('SIGINT');
    back();
    expect([diverted, interruption.signal.aborted]).toEqual([1, false]);
    at.send('SIGINT');
    expect(interruption.signal.aborted).toBe(true);
  });
});

describe('Terminal', () => {
  it('redraws its status line, and takes it away before other lines', () => {
    const at = host(true);
    const terminal = new Terminal(at);
    terminal.status('one');
    terminal.status('two');
    terminal.say('line');
    expect(at.said.stderr).toBe('\r\x1b[2Kone\r\x1b[2Ktwo\r\x1b[2Kline\n');
  });

  it('writes lines where nobody watches', () => {
    const at = host();
    new Terminal(at).status('one');
    expect(at.said.stderr).toBe('one\n');
  });
});

describe('namedFds()', () => {
  const named = (...argv: string[]): readonly number[] => {
    const line = parseCommandLine(argv);
    if (line.kind !== 'criu') throw new TypeError(`not a command of CRIU: ${argv.join(' ')}`);
    return namedFds(line, settle(line.occurrences));
  };

  it('finds every fd that the arguments name', () => {
    const argv = ['--inherit-fd', 'fd[5]:pipe[7]', '--status-fd', '6', '--ps-socket=7', '--close', '8'];
    expect(named('restore', ...argv)).toEqual([5, 6, 7, 8]);
    expect(named('swrk', '9')).toEqual([9]);
    expect(named('dump', '--config', '/dev/fd/63', '--images-dir=/proc/self/fd/4')).toEqual([63, 4]);
  });

  it('leaves the standard fds and what is no number alone', () => {
    expect(named('restore', '--status-fd', '2', '--ps-socket', 'x', '--close', '99999999999')).toEqual([]);
    expect(named('cpuinfo', '9')).toEqual([]);
  });
});
