// Which CRIU there is, what it says about itself, and whether it is new enough for this kernel.

import { CheckpointError } from '../../errors/checkpoint-error.js';
import { openSwrk } from '../../rpc/swrk.js';
import { type Located, type LocateOptions, locate } from '../locate.js';
import type { Finding } from './finding.js';
import { isAtLeast, type KernelVersion } from './kernel.js';

export interface CriuReport {
  readonly path: string;
  /** "4.2.1"; "unknown" when CRIU did not answer. */
  readonly version: string;
  readonly from: Located['from'];
  /** Why this one. */
  readonly why: string;
  /** False when it did not answer or is too old for the kernel. */
  readonly works: boolean;
  readonly features?: { readonly memTrack: boolean; readonly lazyPages: boolean; readonly pidfdStore: boolean };
}

/** What a CRIU says when asked. Injectable, so that the doctor's judgement is tested without one. */
export interface CriuAnswer {
  readonly version: string;
  readonly features: NonNullable<CriuReport['features']>;
}
export type AskCriu = (path: string, signal?: AbortSignal) => Promise<CriuAnswer>;

interface Requirement {
  readonly kernel: KernelVersion;
  readonly criu: readonly [number, number];
  readonly why: string;
}

/** Kernels that broke older CRIUs, newest first. */
const REQUIREMENTS: readonly Requirement[] = [
  { kernel: [6, 16], criu: [4, 2], why: 'it cannot dump a process that has an inet socket' },
  { kernel: [6, 13], criu: [4, 0], why: 'it does not understand the vDSO of the kernel and fails at once' },
];

export interface Examined {
  readonly report?: CriuReport;
  readonly findings: readonly Finding[];
}

/** Locates and asks CRIU. A missing or silent CRIU is a finding, not an exception. */
export async function examineCriu(
  kernel: KernelVersion,
  where: LocateOptions,
  ask: AskCriu = askOverSwrk,
): Promise<Examined> {
  const located = await locate(where).catch((reason: unknown) => {
    if (CheckpointError.is(reason, 'CRIU_MISSING')) return reason;
    throw reason;
  });
  if (CheckpointError.is(located)) return { findings: [missing(located)] };
  const { path, from, why } = located;
  try {
    const { version, features } = await ask(path);
    const old = tooOld(version, kernel, path);
    return {
      report: { path, version, from, why, works: old === undefined, features },
      findings: old ?? [present(located, version)].flat(),
    };
  } catch (reason) {
    return { report: { path, version: 'unknown', from, why, works: false }, findings: [silent(path, reason)] };
  }
}

/** One session, two requests. */
export const askOverSwrk: AskCriu = async (path, signal) => {
  await using session = openSwrk({ criu: path, defaultConfig: false });
  const asked = signal === undefined ? {} : { signal };
  const version = await session.exchange({ kind: 'VERSION', keepOpen: true }, asked);
  const wanted = ['mem_track', 'lazy_pages', 'pidfd_store'] as const;
  const features = await session.exchange({ kind: 'FEATURE_CHECK', features: wanted }, asked);
  if (version.kind !== 'served' || features.kind !== 'served') {
    throw new CheckpointError('REQUEST_REFUSED', 'Cannot ask CRIU for its version: it refused', {
      request: version.kind === 'served' ? 'FEATURE_CHECK' : 'VERSION',
      causes: [],
      logExcerpt: session.stderr().split('\n'),
    });
  }
  const { major, minor, sublevel } = version.version;
  const { mem_track: memTrack, lazy_pages: lazyPages, pidfd_store: pidfdStore } = features.features;
  return {
    version: sublevel === 0 ? `${major}.${minor}` : `${major}.${minor}.${sublevel}`,
    features: { memTrack, lazyPages, pidfdStore },
  };
};

function tooOld(version: string, kernel: KernelVersion, path: string): Finding[] | undefined {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const broken = REQUIREMENTS.find((each) => isAtLeast(kernel, each.kernel) && !isAtLeast([major, minor], each.criu));
  if (broken === undefined) return undefined;
  return [
    {
      id: 'criu-too-old',
      severity: 'blocks',
      title: `CRIU ${version} is too old for kernel ${kernel.join('.')}: ${broken.why}`,
      neededFor: 'dump and restore',
      remedy: `Use CRIU ${broken.criu.join('.')} or newer (scripts/setup brings it)`,
      path,
    },
  ];
}

function present({ path, why }: Located, version: string): Finding {
  return { id: 'criu', severity: 'ok', title: `CRIU ${version}, ${why}`, neededFor: 'dump and restore', path };
}

function missing({ detail }: CheckpointError<'CRIU_MISSING'>): Finding {
  return {
    id: 'criu-missing',
    severity: 'blocks',
    title: `No CRIU was found; looked at ${detail.tried.join(', ')}`,
    neededFor: 'dump and restore',
    remedy: 'Run scripts/setup, install criu 4.2 or newer, or pass criu (--criu) or FRAZIL_CRIU',
  };
}

function silent(path: string, reason: unknown): Finding {
  const why = reason instanceof Error ? reason.message : String(reason);
  return {
    id: 'criu-silent',
    severity: 'blocks',
    title: `CRIU does not answer: ${why}`,
    neededFor: 'dump and restore',
    remedy: `Run "${path} check" by hand and read what it prints`,
    path,
  };
}
