// The one error class. A code exists only where a caller would act differently on it; the cause that a person needs is in
// the message and, for programs, in `detail`. Each code has docs/errors/CODE.md (scripts/check-docs.mjs insists).

import type { Diagnosis } from './diagnosis.js';

/** What every refusal carries. `causes` is best first; empty when no rule knew the log. */
export interface RefusedDetail {
  readonly pid?: number;
  readonly imagesDir?: string;
  /** Where CRIU's log lies, still there after the failure. */
  readonly logFile?: string;
  readonly causes: readonly Diagnosis[];
  /** CRIU's `cr_errno`, positive: 3 ESRCH, 17 EEXIST, 56 EBADRQC. */
  readonly errno?: number;
  /** CRIU's `cr_errmsg`: its first error line, often not the cause. */
  readonly criuMessage?: string;
  /** The decisive line with its neighbours, each prefixed with its line number. */
  readonly logExcerpt: readonly string[];
}

export interface ErrorDetails {
  readonly DUMP_REFUSED: RefusedDetail;
  readonly RESTORE_REFUSED: RefusedDetail;
  /** Any other request: `request` is its RPC name, such as PAGE_SERVER_CHLD. */
  readonly REQUEST_REFUSED: RefusedDetail & { readonly request: string };
  readonly NO_SUCH_PROCESS: { readonly pid: number };
  /** `candidates`: those that the id could mean, each with its root; empty when there is none. */
  readonly NO_SUCH_CONTAINER: {
    readonly id: string;
    readonly roots: readonly string[];
    readonly candidates: readonly string[];
  };
  readonly NOT_PERMITTED: {
    readonly capability?: string;
    readonly pid?: number;
    readonly path?: string;
    readonly syscall?: string;
    readonly errno?: string;
  };
  readonly CRIU_MISSING: { readonly tried: readonly string[] };
  readonly CRIU_TOO_OLD: {
    readonly path: string;
    readonly version: string;
    readonly needed: string;
    readonly kernel?: string;
  };
  /** CRIU closed the control socket without an answer. */
  readonly CRIU_DIED: {
    readonly request?: string;
    readonly exitCode?: number;
    readonly signal?: string;
    readonly pid?: number;
    readonly imagesDir?: string;
    readonly logFile?: string;
    readonly causes?: readonly Diagnosis[];
    readonly stderr?: string;
  };
  readonly LIBCRIU_MISSING: { readonly tried: readonly string[] };
  /** The runtime said no; `errors` are its own words. */
  readonly RUNTIME_REFUSED: {
    readonly runtime: string;
    readonly command: string;
    readonly status: number;
    readonly errors: readonly string[];
  };
  /** The runtime cannot checkpoint. */
  readonly NOT_IMPLEMENTED: object;
  readonly EMPTY_ID: object;
  readonly RUNTIME_MISSING: { readonly runtime: string; readonly tried: readonly string[] };
  readonly ADDON_MISSING: { readonly tried: readonly string[] };
  readonly FEATURE_MISSING: { readonly feature: string; readonly option?: string; readonly kernel?: string };
  /** CRIU or a peer sent what the protocol does not allow. */
  readonly PROTOCOL: { readonly received?: string; readonly expected?: string };
  readonly IMAGES_CORRUPT: { readonly path?: string; readonly imagesDir?: string; readonly offset?: number };
  /** The directory already holds a checkpoint. */
  readonly IMAGES_EXIST: { readonly imagesDir: string };
  /** An archive that is damaged, or that nobody who means well has made. */
  readonly ARCHIVE_CORRUPT: { readonly archive: string; readonly member?: string; readonly offset?: number };
  /** Encrypted for somebody else: no identity or passphrase that was given opens it. */
  readonly ARCHIVE_LOCKED: { readonly archive: string };
  /** Not signed or not encrypted although that was demanded, or signed by somebody else. */
  readonly ARCHIVE_UNTRUSTED: { readonly archive: string; readonly demanded: 'signature' | 'encryption' };
  /** The copy of a migrated tree was lost while its pages were still here; `rescuedTo` is a checkpoint of the tree. */
  readonly LEFT_LOST: { readonly pid: number; readonly rescuedTo?: string };
  /** The pages of a lazily restored tree could not be had any more; the tree has been killed. */
  readonly LAZY_FAILED: {
    readonly imagesDir: string;
    /** Where the pages were fetched from, if not from there. */
    readonly pageServer?: string;
    readonly fault: string;
    /** Whose page it is: the pid in the images. */
    readonly pid?: number;
    /** Its address, as 0x… */
    readonly vaddr?: string;
    readonly syscall?: string;
    readonly errno?: string;
  };
  /** The checkpoint does not allow what was to be rewritten in it. */
  readonly REWRITE_REFUSED: { readonly imagesDir: string; readonly path: string };
  readonly IO: { readonly syscall?: string; readonly errno?: string; readonly path?: string };
  readonly ABORTED: { readonly pid?: number; readonly imagesDir?: string };
  /** A live migration whose policy has given up. */
  readonly NOT_CONVERGING: {
    readonly pid: number;
    readonly why: 'max-iterations' | 'max-total' | 'max-bytes' | 'diverging' | 'too-large';
    readonly iterations: number;
    readonly predictedDowntimeMs: number;
  };
  readonly TIMEOUT: { readonly timeoutMs: number; readonly waitingFor?: string };
}

export type ErrorCode = keyof ErrorDetails;

/** All codes, for tables over them; `satisfies` keeps the list and the type from drifting apart. */
export const ERROR_CODES = Object.keys({
  DUMP_REFUSED: 0,
  RESTORE_REFUSED: 0,
  REQUEST_REFUSED: 0,
  NO_SUCH_PROCESS: 0,
  NO_SUCH_CONTAINER: 0,
  NOT_PERMITTED: 0,
  CRIU_MISSING: 0,
  CRIU_TOO_OLD: 0,
  CRIU_DIED: 0,
  LIBCRIU_MISSING: 0,
  RUNTIME_REFUSED: 0,
  NOT_IMPLEMENTED: 0,
  EMPTY_ID: 0,
  RUNTIME_MISSING: 0,
  ADDON_MISSING: 0,
  FEATURE_MISSING: 0,
  PROTOCOL: 0,
  IMAGES_CORRUPT: 0,
  IMAGES_EXIST: 0,
  ARCHIVE_CORRUPT: 0,
  ARCHIVE_LOCKED: 0,
  ARCHIVE_UNTRUSTED: 0,
  LEFT_LOST: 0,
  LAZY_FAILED: 0,
  REWRITE_REFUSED: 0,
  IO: 0,
  ABORTED: 0,
  NOT_CONVERGING: 0,
  TIMEOUT: 0,
} satisfies Record<ErrorCode, 0>) as readonly ErrorCode[];

// Registered, so that two copies of the package in one program recognise each other's errors.
const BRAND = Symbol.for('frazil.CheckpointError');

/** What ends an operation. Misuse of the API throws TypeError or RangeError instead, before any side effect. */
export class CheckpointError<C extends ErrorCode = ErrorCode> extends Error {
  override readonly name = 'CheckpointError';
  readonly code: C;
  readonly detail: ErrorDetails[C];

  constructor(code: C, message: string, detail: ErrorDetails[C], options?: { readonly cause?: unknown }) {
    super(message, options);
    this.code = code;
    this.detail = detail;
    Object.defineProperty(this, BRAND, { value: true });
  }

  /** Narrows to a CheckpointError, and to one code when it is given. */
  static is<C extends ErrorCode = ErrorCode>(error: unknown, code?: C): error is CheckpointError<C> {
    if (typeof error !== 'object' || error === null || !(BRAND in error)) return false;
    return code === undefined || ('code' in error && error.code === code);
  }

  /** What `--json` prints; the cause and the stack stay out. */
  toJSON(): { readonly name: string; readonly code: C; readonly message: string; readonly detail: ErrorDetails[C] } {
    return { name: this.name, code: this.code, message: this.message, detail: this.detail };
  }
}

/** For `catch()` of a file system call of Node's: throws IO, whose sentence is `what` with the errno behind it. */
export function failIo(what: string, path: string): (cause: NodeJS.ErrnoException) => never {
  return (cause) => {
    const detail = { path, syscall: cause.syscall ?? 'unknown', errno: cause.code ?? 'unknown' };
    throw new CheckpointError('IO', `${what}: ${detail.errno}`, detail, { cause });
  };
}

/** Of a failed capture: whether it names CRIU's log, which is then to stay. */
export function namesItsLog(error: unknown): boolean {
  return CheckpointError.is(error, 'DUMP_REFUSED') || CheckpointError.is(error, 'CRIU_DIED');
}
