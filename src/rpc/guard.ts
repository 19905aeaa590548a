// What is never sent, because CRIU would crash, hang up without a word or act on the wrong process (facts/criu.md 1.3, 1.4, 2).
// Misuse is a RangeError; what only this host lacks is FEATURE_MISSING. Both before the first byte.

import { readFile } from 'node:fs/promises';
import { CheckpointError } from '../errors/checkpoint-error.js';
import type { CriuOpts } from '../schema/rpc.js';
import type { FeatureName, Request, RequestKind } from './session.js';

export type Features = Readonly<Record<FeatureName, boolean>>;

/** CRIU hangs up without an answer on any other kind that says keep_open. */
const MAY_KEEP_OPEN: ReadonlySet<RequestKind> = new Set<RequestKind>([
  'VERSION',
  'FEATURE_CHECK',
  'CPUINFO_DUMP',
  'CPUINFO_CHECK',
  'PAGE_SERVER',
  'PAGE_SERVER_CHLD',
]);

/** Whether the session goes on after this request. */
export function keepsOpen(request: Request): boolean {
  if ('keepOpen' in request && request.keepOpen !== undefined) return request.keepOpen;
  return request.kind === 'PAGE_SERVER_CHLD';
}

/** Throws RangeError or TypeError for a request that no CRIU may see. `request` may come from plain JavaScript. */
export function assertSendable(request: Request): void {
  const { kind } = request;
  if (keepsOpen(request) && !MAY_KEEP_OPEN.has(kind)) throw refusal(kind, 'CRIU hangs up on keepOpen with it');
  switch (kind) {
    case 'VERSION':
      return;
    case 'FEATURE_CHECK':
      if (!Array.isArray(request.features)) throw refusal(kind, 'without features CRIU crashes');
      return;
    case 'WAIT_PID':
      if (!Number.isInteger(request.pid) || request.pid < 1) throw refusal(kind, `"${request.pid}" is not a pid`);
      return;
    default:
      assertOpts(kind, request.opts);
  }
}

function assertOpts(kind: RequestKind, opts: CriuOpts | undefined): asserts opts is CriuOpts {
  if (opts === undefined || opts === null) throw refusal(kind, 'without opts CRIU crashes');
  if (opts.log_file?.includes('/') === true)
    throw refusal(kind, `CRIU takes no directory in log_file "${opts.log_file}"`);
  if (kind === 'DUMP' || kind === 'PRE_DUMP' || kind === 'SINGLE_PRE_DUMP') assertTree(kind, opts);
  if (opts.lazy_pages === true && (kind === 'PRE_DUMP' || kind === 'SINGLE_PRE_DUMP'))
    throw refusal(kind, 'lazy_pages is for a dump: CRIU does not check and breaks');
  if (opts.mntns_compat_mode === true && kind !== 'RESTORE') throw refusal(kind, 'mntns_compat_mode is for a restore');
}

function assertTree(kind: RequestKind, { pid }: CriuOpts): void {
  if (pid === undefined) throw refusal(kind, 'without pid CRIU dumps the process that asks');
  if (pid === process.pid) throw refusal(kind, `${pid} is this very process, which would be frozen for ever`);
}

function refusal(kind: RequestKind, reason: string): RangeError {
  return new RangeError(`Cannot send ${kind}: ${reason}`);
}

/** Whether the request needs to know the features of CRIU on this kernel first. */
export function needsMemTrack(request: Request): boolean {
  if (request.kind === 'PRE_DUMP' || request.kind === 'SINGLE_PRE_DUMP') return true;
  return 'opts' in request && request.opts.track_mem === true;
}

/** Throws FEATURE_MISSING: without soft-dirty a pre-dump aborts CRIU in the middle of the tree. */
export function assertMemTrack({ kind }: Request, features: Features): void {
  if (features.mem_track) return;
  const message = `Cannot send ${kind}: this kernel does not track memory changes (CONFIG_MEM_SOFT_DIRTY). Dump in full instead`;
  throw new CheckpointError('FEATURE_MISSING', message, { feature: 'mem_track', option: 'trackMem' });
}

/** Throws RangeError for a config file that is not there, which CRIU ignores, or that says `stream`, which aborts it. */
export async function assertConfigFile(request: Request): Promise<void> {
  const path = 'opts' in request ? request.opts.config_file : undefined;
  if (path === undefined) return;
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new RangeError(`Cannot send ${request.kind}: CRIU would ignore config_file "${path}", which cannot be read`, {
      cause,
    });
  });
  if (/^\s*stream\b/m.test(text)) throw refusal(request.kind, `"${path}" says "stream", which aborts CRIU over RPC`);
}
