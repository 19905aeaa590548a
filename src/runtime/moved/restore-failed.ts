// Why CRIU has not restored a container that was on its way.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CheckpointError } from '../../errors/checkpoint-error.js';
import { refused } from '../../errors/refused.js';
import { RESTORE_LOG } from '../../migrate/destination/guarded.js';
import { criuDied } from '../../rpc/failure.js';
import type { Answer } from '../../rpc/session.js';

export interface FailedRestore {
  readonly said: Exclude<Answer<'RESTORE'>, { kind: 'served' }>;
  readonly directory: string;
  readonly workDir: string;
  readonly signal: AbortSignal;
}

export async function restoreFailed({ said, directory, workDir, signal }: FailedRestore): Promise<CheckpointError> {
  if (signal.aborted)
    return new CheckpointError(
      'ABORTED',
      'Cannot finish the restore: the migration was given up',
      {},
      { cause: signal.reason },
    );
  const logFile = join(workDir, RESTORE_LOG);
  if (said.kind === 'hung-up') return criuDied(said, { request: 'RESTORE', imagesDir: directory, logFile });
  const log = await readFile(logFile, 'utf8').catch(() => '');
  return refused('restore', { imagesDir: directory, log, logFile, stderr: '', answer: said });
}
