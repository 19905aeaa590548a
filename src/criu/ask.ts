// The verbs that stop nobody: what CRIU is, what it can do here, and the CPU of this machine.

import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { requestRefused } from '../errors/refused.js';
import { openDirectory } from '../images/staging.js';
import { encodeOptions } from '../options/request.js';
import type { CheckOptions, CpuinfoOptions } from '../options/types.js';
import { writeConfigFile } from '../rpc/config-file.js';
import { expectServed } from '../rpc/failure.js';
import type { Answer, CriuVersion, FeatureName, Refused, Request, Session } from '../rpc/session.js';
import { openSwrk } from '../rpc/swrk.js';
import { NO_FDS } from './dump.js';
import { type Located, locate } from './locate.js';

export interface AskOptions {
  /** Path of the CRIU to use. Default: FRAZIL_CRIU, the private prefix, PATH. */
  readonly criu?: string;
  readonly signal?: AbortSignal;
}

export interface Version extends CriuVersion {
  readonly criu: Located;
  /** "4.2.1". */
  readonly text: string;
}

/** The CRIU that would be used, and its version. Rejects with CRIU_MISSING or CRIU_DIED. */
export async function version({ criu, signal }: AskOptions = {}): Promise<Version> {
  const located = await locate({ criu });
  await using session = openSwrk({ criu: located.path });
  const asked = { request: 'VERSION', signal } as const;
  const answer = expectServed(await session.exchange({ kind: 'VERSION' }, only(signal)), asked);
  const { major, minor, sublevel } = answer.version;
  return { ...answer.version, criu: located, text: [major, minor, sublevel].join('.') };
}

export type Features = Readonly<Record<FeatureName, boolean>>;
const ALL_FEATURES = ['mem_track', 'lazy_pages', 'pidfd_store'] as const;

/** What CRIU can do on this kernel. Rejects with CRIU_MISSING or CRIU_DIED. */
export async function features({ criu, signal }: AskOptions = {}): Promise<Features> {
  const { path } = await locate({ criu });
  await using session = openSwrk({ criu: path });
  const request = { kind: 'FEATURE_CHECK', features: ALL_FEATURES } as const;
  const answer = await session.exchange(request, only(signal));
  return expectServed(answer, { request: 'FEATURE_CHECK', signal }).features;
}

export interface CheckCall extends CheckOptions, AskOptions {
  readonly workDir: string;
}

/** CRIU's own check of the kernel. Rejects with REQUEST_REFUSED, whose causes name what is missing. */
export async function check({ criu, signal, ...options }: CheckCall): Promise<void> {
  encodeOptions('check', options, NO_FDS);
  await inDirectory('CHECK', { criu, signal, directory: options.workDir, workDir: options.workDir }, (own) =>
    encodeOptions('check', options, own),
  );
}

export interface CpuinfoCall extends CpuinfoOptions, AskOptions {
  /** Where cpuinfo.img is. */
  readonly imagesDir: string;
}

/** Writes cpuinfo.img: the CPU that images made here expect. Rejects with REQUEST_REFUSED where CRIU has no such format. */
export async function cpuinfoDump(call: CpuinfoCall): Promise<void> {
  await cpuinfo('CPUINFO_DUMP', call);
}

/** Compares this CPU with cpuinfo.img. Rejects with REQUEST_REFUSED, whose causes say what this CPU lacks. */
export async function cpuinfoCheck(call: CpuinfoCall): Promise<void> {
  await cpuinfo('CPUINFO_CHECK', call);
}

async function cpuinfo(kind: 'CPUINFO_DUMP' | 'CPUINFO_CHECK', call: CpuinfoCall): Promise<void> {
  const { criu, signal, imagesDir, ...options } = call;
  encodeOptions('cpuinfo', options, NO_FDS);
  const workDir = options.workDir ?? imagesDir;
  await inDirectory(kind, { criu, signal, directory: imagesDir, workDir }, (own) =>
    encodeOptions('cpuinfo', options, own),
  );
}

interface Asked {
  readonly criu: string | undefined;
  readonly signal: AbortSignal | undefined;
  readonly directory: string;
  readonly workDir: string;
}
type Encode = (own: {
  readonly images_dir_fd: number;
  readonly work_dir_fd: number;
}) => ReturnType<typeof encodeOptions>;

async function inDirectory(
  kind: 'CHECK' | 'CPUINFO_DUMP' | 'CPUINFO_CHECK',
  { criu, signal, directory, workDir }: Asked,
  encode: Encode,
): Promise<void> {
  const { path } = await locate({ criu });
  using images = await openDirectory(resolve(directory));
  using work = await openDirectory(resolve(workDir));
  const encoded = encode({ images_dir_fd: images.number, work_dir_fd: work.number });
  await using config = await writeConfigFile(encoded);
  await using session = openSwrk({ criu: path, defaultConfig: encoded.defaultConfig });
  const log_file = encoded.opts.log_file ?? `${kind.toLowerCase().replace('_', '-')}.log`;
  const opts = { ...encoded.opts, log_file, ...(config.path === undefined ? {} : { config_file: config.path }) };
  const request: Request = { kind, opts };
  const answer = await session.exchange(request, only(signal));
  if (answer.kind === 'refused' && signal?.aborted !== true) {
    throw await explained(kind, answer, session, join(resolve(workDir), log_file));
  }
  expectServed(answer as Answer<typeof kind>, { request: kind, signal });
}

async function explained(kind: string, answer: Refused, session: Session, logFile: string): Promise<unknown> {
  const log = await readFile(logFile, 'utf8').catch(() => '');
  return requestRefused(kind, { log, logFile, stderr: session.stderr(), answer });
}

function only(signal: AbortSignal | undefined): { readonly signal?: AbortSignal } {
  return signal === undefined ? {} : { signal };
}
