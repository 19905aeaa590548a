import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { doctorLines } from '../../../src/cli/print/doctor.js';
import { failureJson, failureLines } from '../../../src/cli/print/failure.js';
import { progressLine } from '../../../src/cli/print/progress.js';
import { table } from '../../../src/cli/print/table.js';
import { bytes, count, counted, micros, millis } from '../../../src/cli/print/units.js';
import { wrap } from '../../../src/cli/print/wrap.js';
import { statusOf } from '../../../src/cli/verbs/doctor.js';
import type { Finding } from '../../../src/criu/doctor/finding.js';
import { CheckpointError } from '../../../src/errors/checkpoint-error.js';

describe('units', () => {
  it.each([
    [bytes(0), '0 B'],
    [bytes(1023), '1023 B'],
    [bytes(1024), '1.0 KiB'],
    [bytes(1048575), '1.0 MiB'],
    [bytes(1.5 * 2 ** 30), '1.5 GiB'],
    [micros(312), '312 µs'],
    [micros(14_200), '14.2 ms'],
    [millis(3410), '3.41 s'],
    [millis(125_000), '2 min 05 s'],
    [millis(119_700), '2 min 00 s'],
    [count(1734), '1,734'],
    [counted(1, 'fault'), '1 fault'],
    [counted(1734, 'fault'), '1,734 faults'],
  ])('%s', (shown, wanted) => {
    expect(shown).toBe(wanted);
  });
});

describe('progressLine()', () => {
  it('shows share, rate and the time left as far as they are known', () => {
    expect(progressLine({ phase: 'preparing' })).toBe('preparing');
    expect(progressLine({ phase: 'writing', bytes: 2 ** 20 })).toBe('writing: 1.0 MiB');
    expect(progressLine({ phase: 'writing', bytes: 2 ** 20, totalBytes: 4 * 2 ** 20, bytesPerSecond: 2 ** 20 })).toBe(
      'writing: [#####...............]  25 % 1.0 MiB of 4.0 MiB, 1.0 MiB/s, 3.00 s left',
    );
  });

  it('shows faults in place of the bar', () => {
    const filling = { phase: 'filling', bytes: 2 ** 20, totalBytes: 4 * 2 ** 20, bytesPerSecond: 2 ** 20 };
    expect(progressLine({ ...filling, faults: 1734 })).toBe(
      'filling: 25 % 1.0 MiB of 4.0 MiB, 1.0 MiB/s, 1,734 faults, 3.00 s left',
    );
  });

  it('never says more than 100 %, and nothing is left of an estimate that was too low', () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(), fc.nat(), (done, total, rate) => {
        const line = progressLine({ phase: 'p', bytes: done, totalBytes: total, bytesPerSecond: rate });
        const [, share] = /(\d+) %/.exec(line) ?? [];
        expect(Number(share ?? 0)).toBeLessThanOrEqual(100);
        expect(line).not.toMatch(/NaN|Infinity|-/);
      }),
    );
  });
});

describe('table() and wrap()', () => {
  it('wraps the last column under itself', () => {
    expect(
      table(
        [
          ['a', 'one two three four five six'],
          ['bb', 'x'],
        ],
        20,
      ),
    ).toEqual(['a   one two three four five', '    six', 'bb  x']);
  });

  it('loses no word', () => {
    const words = fc.array(fc.stringMatching(/^[a-z]{1,12}$/), { minLength: 1 });
    fc.assert(
      fc.property(words, fc.integer({ min: 1, max: 40 }), (list, width) => {
        expect(wrap(list.join(' '), width).join(' ')).toBe(list.join(' '));
      }),
    );
  });
});

describe('a failure', () => {
  const error = new CheckpointError('DUMP_REFUSED', 'Cannot dump process 7: a reason. A remedy', {
    pid: 7,
    logFile: '/w/dump.log',
    causes: [],
    logExcerpt: ['3: Error (criu/x.c:1): it'],
  });

  it('is told with the decisive lines and where the log is', () => {
    expect(failureLines(error)).toEqual([
      'frazil: Cannot dump process 7: a reason. A remedy',
      '    3: Error (criu/x.c:1): it',
      'The whole log is in /w/dump.log',
    ]);
  });

  it('is an object of code, message and detail', () => {
    expect(failureJson(error)).toEqual({ code: 'DUMP_REFUSED', message: error.message, detail: error.detail });
  });
});

describe("the doctor's report", () => {
  const finding = (severity: Finding['severity'], more: Partial<Finding> = {}): Finding => ({
    id: severity,
    severity,
    title: `it ${severity}`,
    neededFor: 'dump',
    ...more,
  });
  const kernel = {
    release: '6.12',
    softDirty: true,
    userfaultfd: false,
    pagemapScan: true,
    pidfdGetfd: true,
    setTid: true,
  };
  const host = {
    kernel,
    capabilities: [],
    cgroup: { layout: 'v2' as const },
    limits: { pipeMaxBytes: 0, pipeUserPagesSoft: 0, openFiles: 0, lastPidWritable: true, availableBytes: 0 },
  };
  const treeOf = (...findings: Finding[]) => ({
    pid: 9,
    tasks: [9],
    estimate: { tasks: 1, threads: 1, bytes: 2 ** 20, frozenMs: 21, basis: '' },
    findings,
  });

  it('names place, need and remedy, and counts what passed', () => {
    const findings = [finding('blocks', { pid: 9, fd: 3, remedy: 'Close it' }), finding('ok')];
    const lines = doctorLines({ ...host, findings, tree: treeOf(...findings) }, 80);
    expect(lines).toContain('BLOCKS  it blocks (pid 9, fd 3)');
    expect(lines).toContain('        for: dump');
    expect(lines).toContain('        do:  Close it');
    expect(lines.at(-1)).toBe('1 check passed; 1 finding blocks.');
  });

  it('is 0 when nothing blocks, 1 when only the tree does, 3 when the machine does', () => {
    const blocking = finding('blocks');
    expect(statusOf({ findings: [finding('limits')] })).toBe(0);
    expect(statusOf({ findings: [blocking], tree: treeOf(blocking) })).toBe(1);
    expect(statusOf({ findings: [blocking, finding('blocks')], tree: treeOf(blocking) })).toBe(3);
    expect(statusOf({ findings: [blocking] })).toBe(3);
  });
});
