// Container operations, and checkpoint operations where the runtime has them. What a container is, the runtime says; Frazil takes part
// in checkpoint and restore only (ADR 11).

import type { CaptureReport } from '../criu/capture-report.js';
import type { Operation } from '../criu/operation.js';
import type { CaptureProgress } from '../criu/progress.js';
import { CheckpointError } from '../errors/checkpoint-error.js';
import type {
  Abortable,
  CheckpointOptions,
  CreateOptions,
  DeleteOptions,
  ExecOptions,
  KillOptions,
  RestoreOptions,
  RunOptions,
} from './options.js';

/** As the runtime tells it. */
export interface Container {
  readonly ociVersion: string;
  readonly id: string;
  /** 0 when it has stopped. */
  readonly pid: number;
  readonly status: string;
  readonly bundle: string;
  readonly rootfs: string;
  /** RFC 3339 */
  readonly created: string;
  readonly annotations: Readonly<Record<string, string>>;
  readonly owner: string;
}

export interface CommandResult {
  /** Of the container's process, when it was waited for; 0 when it was detached. */
  readonly status: number;
}

export interface CheckpointReport {
  /** Absent when the pages did not come through Frazil: to a page server, or left for a lazy restore. */
  readonly capture?: CaptureReport;
}

/**
 * All reject with EMPTY_ID for an empty id, with RUNTIME_REFUSED when the runtime says no (its text is in `detail`), RUNTIME_MISSING,
 * FEATURE_MISSING for an option that it does not have, and ABORTED.
 */
export interface ContainerOperations {
  create(id: string, options: CreateOptions): Promise<CommandResult>;
  delete(id: string, options?: DeleteOptions): Promise<void>;
  exec(id: string, options: ExecOptions): Promise<CommandResult>;
  /** `signal` is a name or a number, as the runtime takes it. */
  kill(id: string, signal: string, options?: KillOptions): Promise<void>;
  list(options?: Abortable): Promise<readonly Container[]>;
  pause(id: string, options?: Abortable): Promise<void>;
  /** Pids of all processes in it. */
  ps(id: string, options?: Abortable): Promise<readonly number[]>;
  resume(id: string, options?: Abortable): Promise<void>;
  run(id: string, options: RunOptions): Promise<CommandResult>;
  start(id: string, options?: Abortable): Promise<void>;
  state(id: string, options?: Abortable): Promise<Container>;
}

export interface CheckpointOperations {
  /**
   * Rejects with DUMP_REFUSED (causes, log lines and remedy in `detail`) and as dump() does, when CRIU or Frazil was the reason; then
   * the container runs on, and there is no checkpoint.
   */
  checkpoint(id: string, options: CheckpointOptions): Operation<CaptureProgress, CheckpointReport>;
  restore(id: string, options: RestoreOptions): Promise<CommandResult>;
}

/** The same object as what it can do besides. Throws NOT_IMPLEMENTED when the runtime has no checkpoint support. */
export function checkpointOperations(operations: ContainerOperations): CheckpointOperations {
  if (hasCheckpoint(operations)) return operations;
  throw new CheckpointError('NOT_IMPLEMENTED', 'command not implemented', {});
}

export function hasCheckpoint(
  operations: ContainerOperations,
): operations is ContainerOperations & CheckpointOperations {
  return 'checkpoint' in operations && 'restore' in operations;
}

/** Throws EMPTY_ID. Everything else about an id is the runtime's to judge. */
export function assertId(id: string): void {
  if (id === '') throw new CheckpointError('EMPTY_ID', 'container id cannot be empty', {});
}
