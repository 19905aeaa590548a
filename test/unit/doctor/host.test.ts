import { describe, expect, it } from 'vitest';
import { judgeCapabilities } from '../../../src/criu/doctor/capabilities.js';
import { type AskCriu, examineCriu } from '../../../src/criu/doctor/criu.js';
import { cgroupLayout, type HostFacts, judgeHost } from '../../../src/criu/doctor/host.js';
import { isAtLeast, type KernelReport, type KernelVersion, parseRelease } from '../../../src/criu/doctor/kernel.js';

const ALL = new Set([12, 19, 21, 24, 40]);
const GOOD: HostFacts = {
  capabilities: ALL,
  cgroup: 'v2',
  limits: { pipeMaxBytes: 4194304, pipeUserPagesSoft: 16384, openFiles: 20000, lastPidWritable: true },
  iptables: true,
  runIsTmpfs: true,
  availableBytes: 2 ** 30,
};
const KERNEL: KernelReport = {
  release: '6.12.0',
  softDirty: true,
  userfaultfd: true,
  pagemapScan: true,
  pidfdGetfd: true,
  setTid: true,
  checkpointRestore: true,
};

describe('judgeHost()', () => {
  it('finds nothing wrong with a machine that has everything', () => {
    expect(judgeHost(GOOD, KERNEL).filter(({ severity }) => severity === 'blocks' || severity === 'limits')).toEqual(
      [],
    );
  });

  const wrong: readonly (readonly [
    id: string,
    severity: string,
    facts: Partial<HostFacts>,
    kernel: Partial<KernelReport>,
  ])[] = [
    ['no-soft-dirty', 'limits', {}, { softDirty: false }],
    ['no-userfaultfd', 'limits', {}, { userfaultfd: false }],
    ['no-pidfd-getfd', 'limits', {}, { pidfdGetfd: false }],
    ['kernel-checkpoint-restore', 'blocks', {}, { checkpointRestore: false }],
    ['pipe-limit', 'limits', { limits: { ...GOOD.limits, pipeMaxBytes: 1048576 } }, {}],
    ['open-files', 'limits', { limits: { ...GOOD.limits, openFiles: 256 } }, {}],
    ['ptrace-scope', 'blocks', { ptraceScope: 3 }, {}],
    ['ptrace-scope', 'blocks', { ptraceScope: 2, capabilities: new Set([21]) }, {}],
    ['iptables-missing', 'note', { iptables: false }, {}],
    ['run-not-tmpfs', 'note', { runIsTmpfs: false }, {}],
    ['capability-sys-resource', 'limits', { capabilities: new Set([12, 19, 21, 40]) }, {}],
    ['capability-sys-admin', 'blocks', { capabilities: new Set() }, {}],
  ];
  it.each(wrong)('says %s (%s)', (id, severity, facts, kernel) => {
    const found = judgeHost({ ...GOOD, ...facts }, { ...KERNEL, ...kernel }).find((each) => each.id === id);
    expect(found?.severity).toBe(severity);
    expect(found?.neededFor).toMatch(/\w/);
  });

  it('does not claim that a kernel without readable configuration lacks CHECKPOINT_RESTORE', () => {
    const { checkpointRestore: _, ...unknown } = KERNEL;
    expect(judgeHost(GOOD, unknown).find(({ id }) => id === 'kernel-checkpoint-restore')?.severity).toBe('ok');
  });
});

describe('judgeCapabilities()', () => {
  it('blocks only when both ways to checkpoint are missing', () => {
    const severity = (set: readonly number[]): string[] =>
      judgeCapabilities(new Set(set)).findings.map(({ severity: s }) => s);
    expect(severity([12, 19, 24, 40])).toEqual(['limits']);
    expect(severity([12, 19, 24])).toEqual(['blocks', 'blocks']);
  });
});

describe('cgroupLayout()', () => {
  it.each([
    [['ext4', 'cgroup', 'cgroup2'], 'hybrid'],
    [['cgroup'], 'v1'],
    [['cgroup2'], 'v2'],
    [[], 'none'],
  ])('of %j is %s', (types, layout) => {
    expect(cgroupLayout(types)).toBe(layout);
  });
});

describe('parseRelease() and isAtLeast()', () => {
  it.each([
    ['6.18.5', [6, 16], true],
    ['6.9.0-amd64', [6, 13], false],
    ['7.0', [6, 16], true],
    ['nonsense', [5, 6], false],
  ] as const)('%s at least %j: %s', (text, wanted, answer) => {
    expect(isAtLeast(parseRelease(text), wanted)).toBe(answer);
  });
});

describe('examineCriu()', () => {
  const features = { memTrack: false, lazyPages: true, pidfdStore: true };
  const answering =
    (version: string): AskCriu =>
    async () => ({ version, features });
  const where = { criu: process.execPath, env: {} };

  it.each<[version: string, kernel: KernelVersion, works: boolean]>([
    ['3.17.1', [6, 12], true],
    ['3.17.1', [6, 13], false],
    ['4.1.1', [6, 15], true],
    ['4.1.1', [6, 16], false],
    ['4.2.1', [6, 18], true],
  ])('CRIU %s on kernel %j works: %s', async (version, kernel, works) => {
    const { report, findings } = await examineCriu(kernel, where, answering(version));
    expect(report).toMatchObject({ version, works, from: 'option', features });
    expect(findings.map(({ id }) => id)).toEqual([works ? 'criu' : 'criu-too-old']);
  });

  it('reports a CRIU that does not answer', async () => {
    const { report, findings } = await examineCriu([6, 18], where, () => Promise.reject(new Error('it died')));
    expect(report).toMatchObject({ works: false });
    expect(findings[0]).toMatchObject({
      id: 'criu-silent',
      severity: 'blocks',
      title: 'CRIU does not answer: it died',
    });
  });

  it('reports a missing CRIU with the places it looked at', async () => {
    const { report, findings } = await examineCriu([6, 18], { criu: '/nonexistent/criu', env: {} });
    expect(report).toBeUndefined();
    expect(findings[0]).toMatchObject({ id: 'criu-missing', severity: 'blocks' });
    expect(findings[0]?.title).toContain('/nonexistent/criu');
  });
});
