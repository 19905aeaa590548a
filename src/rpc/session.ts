// What a conversation with CRIU is, whoever carries it: `swrk` (our own child on a SEQPACKET pair, the default) or `libcriu`
// (loaded at run time). Both pass test/integration/rpc/session-conformance.ts.
//
// A session takes one request at a time. CRIU answers once, but asks before that: with `notify_scripts` it stops at named
// points and waits, without a timeout, for a verdict. So an exchange is a loop that ends with CRIU's own answer, and the
// answer is the truth of what CRIU did: an aborted exchange still resolves with `refused` when CRIU obeyed, with `served` when
// the abort came too late, with `hung-up` when CRIU died. Turning that into ABORTED or DUMP_REFUSED is the caller's affair
// (failure.ts), because only the caller knows pid, directory and log.

import type { ExitStatus } from '../addon/children.js';
import type { Fd } from '../addon/fd.js';
import type { CriuOpts } from '../schema/rpc.js';

export type { ExitStatus } from '../addon/children.js';

export type FeatureName = 'mem_track' | 'lazy_pages' | 'pidfd_store';

/**
 * One request, named as in CRIU's `criu_req_type`. Numbers of fds inside `opts` are numbers of *this* process, except `ps.fd` and
 * `inherit_fd[].fd`, which are numbers inside the swrk child (see SwrkOptions.inherit).
 *
 * `keepOpen` lets another request follow on the same session; CRIU allows it only for the kinds that have the field. It is on by
 * default for PAGE_SERVER_CHLD, whose WAIT_PID must come on the same session, and off for the others.
 * PRE_DUMP keeps the session open by itself for further PRE_DUMPs and one final DUMP.
 */
export type Request =
  | { readonly kind: 'VERSION'; readonly keepOpen?: boolean }
  | { readonly kind: 'FEATURE_CHECK'; readonly features: readonly FeatureName[]; readonly keepOpen?: boolean }
  | { readonly kind: 'CHECK'; readonly opts: CriuOpts }
  | { readonly kind: 'CPUINFO_DUMP' | 'CPUINFO_CHECK'; readonly opts: CriuOpts; readonly keepOpen?: boolean }
  | { readonly kind: 'PAGE_SERVER' | 'PAGE_SERVER_CHLD'; readonly opts: CriuOpts; readonly keepOpen?: boolean }
  | { readonly kind: 'DUMP' | 'PRE_DUMP' | 'SINGLE_PRE_DUMP' | 'RESTORE'; readonly opts: CriuOpts }
  /** `pid` is a page server child of this same session. */
  | { readonly kind: 'WAIT_PID'; readonly pid: number };

export type RequestKind = Request['kind'];

export interface CriuVersion {
  readonly major: number;
  readonly minor: number;
  readonly sublevel: number;
  readonly gitid?: string;
  readonly name?: string;
}

/** What each kind brings back when CRIU served it. */
export interface ServedPayloads {
  readonly VERSION: { readonly version: CriuVersion };
  /** Only features that were asked for can be true. */
  readonly FEATURE_CHECK: { readonly features: Readonly<Record<FeatureName, boolean>> };
  readonly CHECK: object;
  readonly CPUINFO_DUMP: object;
  readonly CPUINFO_CHECK: object;
  /** `restored` is true only in a process that dumped itself and lives again. */
  readonly DUMP: { readonly restored: boolean };
  readonly PRE_DUMP: object;
  readonly SINGLE_PRE_DUMP: object;
  /** The root task, in CRIU's pid namespace. */
  readonly RESTORE: { readonly pid: number };
  /** CRIU answers pid 0 for a daemon (its bug): absent here. The port is the one CRIU chose when 0 was asked. */
  readonly PAGE_SERVER: { readonly port?: number; readonly pid?: number };
  readonly PAGE_SERVER_CHLD: { readonly port?: number; readonly pid: number };
  readonly WAIT_PID: { readonly exit: ExitStatus };
}

export type Served<K extends RequestKind = RequestKind> = { readonly kind: 'served' } & ServedPayloads[K];

/** CRIU said no. Its log, not this message, holds the cause. */
export interface Refused {
  readonly kind: 'refused';
  /** CRIU's `cr_errno`, positive: 3 ESRCH, 17 EEXIST, 56 EBADRQC; absent when CRIU gave none. */
  readonly errno?: number;
  /** CRIU's `cr_errmsg`: the first line it logged as an error, often not the cause. */
  readonly message?: string;
  /** The notification that we refused, when it was us: by the caller's verdict, or because the signal was aborted. */
  readonly refusedAt?: string;
}

/** CRIU went away without an answer. */
export interface HungUp {
  readonly kind: 'hung-up';
  /** Absent when nobody can know it (libcriu reaps its own child). */
  readonly exit?: ExitStatus;
  /** Tail of what CRIU printed. */
  readonly stderr: string;
  /** True when we terminated it ourselves, on abort. */
  readonly terminated: boolean;
}

export type Answer<K extends RequestKind = RequestKind> = Served<K> | Refused | HungUp;

/** Scripts that carry nothing but their name. */
export type PlainScript =
  | 'pre-stream'
  | 'pre-dump'
  | 'post-dump'
  | 'pre-restore'
  | 'network-lock'
  | 'network-unlock'
  | 'post-setup-namespaces'
  | 'pre-resume'
  | 'post-resume'
  | 'status-ready';

/** A point at which CRIU stops and asks. While the verdict is pending CRIU is held, without limit. */
export type Notification =
  | { readonly kind: PlainScript }
  /** The root task exists; `pid` is in CRIU's pid namespace. */
  | { readonly kind: 'setup-namespaces' | 'post-restore'; readonly pid: number }
  /** Answer with `external` to name resources that CRIU shall leave to us. */
  | { readonly kind: 'query-ext-files' }
  /** Master of a terminal that no restored task holds. The caller owns `fd`; it is closed if `notify` is absent. */
  | { readonly kind: 'orphan-pts-master'; readonly fd: Fd }
  /** A script this version does not know. Acknowledged unless the verdict says otherwise. */
  | { readonly kind: 'unknown'; readonly script: string; readonly pid?: number };

export type Verdict =
  | { readonly kind: 'proceed'; readonly external?: readonly string[] }
  /** Ends the operation: CRIU resumes a tree it was dumping and kills one it was restoring. Ignored by CRIU at pre- and post-resume. */
  | { readonly kind: 'refuse' };

export interface Held {
  /** Aborted when nobody waits for the verdict any more: the caller aborted, the session was disposed, or CRIU has died. */
  readonly signal: AbortSignal;
}

export type Notify = (notification: Notification, held: Held) => Verdict | Promise<Verdict>;

export interface ExchangeOptions {
  /**
   * Called once per notification, never concurrently while the exchange lasts; without it everything is acknowledged. If it throws,
   * CRIU is refused, and the exchange rejects with what was thrown after CRIU has answered. A CRIU that dies meanwhile ends the
   * exchange at once; what the handler says after that is not heard.
   */
  readonly notify?: Notify;
  /**
   * On abort the pending or next notification is refused at once. A request that stops no task (VERSION, FEATURE_CHECK, CHECK,
   * CPUINFO_*, PAGE_SERVER*, WAIT_PID) is ended by terminating CRIU. One that does (DUMP, PRE_DUMP, SINGLE_PRE_DUMP, RESTORE) is
   * never killed unless `graceMs` says so: its answer is awaited.
   */
  readonly signal?: AbortSignal;
  /** After an abort, how long CRIU may take to answer before it is terminated. Killing CRIU in a dump leaves network locks behind. */
  readonly graceMs?: number;
}

export interface Session extends AsyncDisposable {
  readonly kind: 'swrk' | 'libcriu';
  readonly criu: { readonly path: string };
  /** Tail of what CRIU wrote to its standard error, at most 64 KiB: option errors of 4.1 are told only there. */
  stderr(): string;
  /** The same of its standard output: `displayStats`, "Looks good." */
  stdout(): string;
  /**
   * Sends one request and answers its notifications until CRIU's answer. PRE_DUMP and SINGLE_PRE_DUMP always track memory.
   * Misuse and requests that would crash CRIU throw RangeError or CheckpointError FEATURE_MISSING before anything is sent; a message
   * that the protocol does not allow rejects with PROTOCOL and ends the session; a signal already aborted rejects with ABORTED.
   */
  exchange<R extends Request>(request: R, options?: ExchangeOptions): Promise<Answer<R['kind']>>;
  /** Hangs up and waits until CRIU is gone. Idempotent, never throws. A page server child that nobody waited for lives on. */
  [Symbol.asyncDispose](): Promise<void>;
}
