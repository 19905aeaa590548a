// Capabilities that a checkpoint needs, and what each absence costs. Numbers: linux/capability.h.

import type { Finding, Severity } from './finding.js';

export const CAPABILITY = {
  NET_ADMIN: 12,
  SYS_PTRACE: 19,
  SYS_ADMIN: 21,
  SYS_RESOURCE: 24,
  CHECKPOINT_RESTORE: 40,
} as const;

export type CapabilityName = keyof typeof CAPABILITY;

interface Cost {
  readonly severity: Severity;
  readonly cost: string;
  readonly neededFor: string;
}

const COSTS: Readonly<Record<CapabilityName, Cost>> = {
  SYS_ADMIN: {
    severity: 'limits',
    cost: 'only trees without namespaces of their own can be dumped, with unprivileged: true (--unprivileged)',
    neededFor: 'dump and restore',
  },
  CHECKPOINT_RESTORE: {
    severity: 'limits',
    cost: 'exact pids can be restored only with CAP_SYS_ADMIN',
    neededFor: 'restore',
  },
  SYS_PTRACE: { severity: 'limits', cost: 'only processes of the same user can be seized', neededFor: 'dump' },
  NET_ADMIN: {
    severity: 'limits',
    cost: 'TCP connections can be neither locked nor repaired',
    neededFor: 'tcpEstablished, network namespaces',
  },
  SYS_RESOURCE: {
    severity: 'limits',
    cost: 'tasks of other users cannot be dumped, higher limits are not restored, pipes stay below fs.pipe-max-size',
    neededFor: 'tasks of other users, lazy dump',
  },
};

/** The names out of `effective` that matter here, and a finding for each that is missing. */
export function judgeCapabilities(effective: ReadonlySet<number>): { names: CapabilityName[]; findings: Finding[] } {
  const all = Object.keys(CAPABILITY) as CapabilityName[];
  const names = all.filter((name) => effective.has(CAPABILITY[name]));
  const neither = !effective.has(CAPABILITY.SYS_ADMIN) && !effective.has(CAPABILITY.CHECKPOINT_RESTORE);
  const findings = all
    .filter((name) => !effective.has(CAPABILITY[name]))
    .map((name): Finding => {
      const { severity, cost, neededFor } = COSTS[name];
      const blocks = neither && (name === 'SYS_ADMIN' || name === 'CHECKPOINT_RESTORE');
      return {
        id: `capability-${name.toLowerCase().replaceAll('_', '-')}`,
        severity: blocks ? 'blocks' : severity,
        title: `CAP_${name} is missing: ${cost}`,
        neededFor,
        remedy: `Run as root with CAP_${name} (in a container: --cap-add ${name})`,
      };
    });
  return { names, findings };
}
