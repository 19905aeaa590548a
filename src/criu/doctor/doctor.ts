// Will it work here, and for this process? Everything is read from /proc, /sys and CRIU itself; nothing is frozen or changed.

import type { CapabilityName } from './capabilities.js';
import { judgeCapabilities } from './capabilities.js';
import { type AskCriu, type CriuReport, examineCriu } from './criu.js';
import { examine, type TreeReport } from './examine.js';
import { type ChosenOptions, type Finding, worstFirst } from './finding.js';
import { type HostFacts, type HostLimits, judgeHost, readHost } from './host.js';
import { type KernelReport, parseRelease, readKernel } from './kernel.js';
import { judgeLocks, readLocks } from './locked-connections.js';

export interface DoctorReport {
  /** Absent when no CRIU was found. */
  readonly criu?: CriuReport;
  readonly kernel: KernelReport;
  /** Those that matter for checkpoints, without CAP_. */
  readonly capabilities: readonly CapabilityName[];
  readonly cgroup: { readonly layout: HostFacts['cgroup'] };
  readonly limits: HostLimits & { readonly availableBytes: number };
  /** With `pid`: the tree. */
  readonly tree?: TreeReport;
  /** Of the machine and, with `pid`, of the tree; worst first. */
  readonly findings: readonly Finding[];
}

export interface DoctorOptions {
  /** Look at this process and its descendants too. */
  readonly pid?: number;
  /** What a dump would be given: findings that an option answers become 'ok'. */
  readonly options?: ChosenOptions;
  /** Path of the CRIU to examine. */
  readonly criu?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly signal?: AbortSignal;
  /** For tests: how CRIU is asked. */
  readonly askCriu?: AskCriu;
}

/**
 * Examines the machine and, with `pid`, a tree before anything is frozen. Leaves everything as it is; an abort too.
 * Throws NO_SUCH_PROCESS when there is no such process; what does not work is a finding.
 */
export async function doctor(options: DoctorOptions = {}): Promise<DoctorReport> {
  const { pid, options: chosen = {}, criu, env, signal, askCriu } = options;
  signal?.throwIfAborted();
  const [kernel, facts] = await Promise.all([readKernel(), readHost()]);
  const where = { ...(criu === undefined ? {} : { criu }), ...(env === undefined ? {} : { env }) };
  const examined = await examineCriu(parseRelease(kernel.release), where, askCriu);
  const locks = await readLocks(examined.report?.path);
  signal?.throwIfAborted();
  const tree = pid === undefined ? undefined : await examine(pid, chosen, sceneHost(facts));
  return {
    ...(examined.report === undefined ? {} : { criu: examined.report }),
    kernel: confirmed(kernel, examined.report),
    capabilities: judgeCapabilities(facts.capabilities).names,
    cgroup: { layout: facts.cgroup },
    limits: { ...facts.limits, availableBytes: facts.availableBytes },
    ...(tree === undefined ? {} : { tree }),
    findings: worstFirst([
      ...examined.findings,
      ...(tree?.findings ?? []),
      ...judgeHost(facts, confirmed(kernel, examined.report)),
      ...judgeLocks(locks),
    ]),
  };
}

/** CRIU's own probes count for more than ours: it is CRIU that will use the features. */
function confirmed(kernel: KernelReport, report: CriuReport | undefined): KernelReport {
  if (report?.features === undefined) return kernel;
  return { ...kernel, softDirty: report.features.memTrack, userfaultfd: report.features.lazyPages };
}

function sceneHost({ capabilities, iptables }: HostFacts): Parameters<typeof examine>[2] {
  return { capabilities, iptables, uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
}
