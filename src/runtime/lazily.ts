// As criu/lazily.ts: offered by the entry point without being loaded.

import type { Archive } from '../archive/archive.js';
import { type Operation, operation } from '../criu/operation.js';
import type { ImagesDirectory } from '../criu/target.js';
import type { MigrateProgress } from '../migrate/source/options.js';
import type * as Checkpoint from './archived/checkpoint.js';
import type * as Restore from './archived/restore.js';
import type * as Containers from './containers.js';
import type * as Find from './find/find.js';
import type * as Migrate from './moved/migrate.js';

export const containers: typeof Containers.containers = async (...given) =>
  (await import('./containers.js')).containers(...given);

export const findContainer: typeof Find.findContainer = async (...given) =>
  (await import('./find/find.js')).findContainer(...given);

export const findContainers: typeof Find.findContainers = async (...given) =>
  (await import('./find/find.js')).findContainers(...given);

export function checkpointContainer(
  id: string,
  call: Checkpoint.ContainerArchiveCall,
): Operation<Checkpoint.ContainerArchiveProgress, Checkpoint.ContainerArchiveReport> {
  return operation(call.signal, async (work) => {
    const run = (await import('./archived/checkpoint.js')).checkpointContainer(id, { ...call, signal: work.signal });
    for await (const progress of run) work.emit(progress);
    return run.done;
  });
}

export function restoreContainer(
  from: Archive | ImagesDirectory,
  id: string,
  call: Restore.ContainerRestoreCall,
): Operation<Restore.ContainerRestoreProgress, Restore.ContainerRestoreReport> {
  return operation(call.signal, async (work) => {
    const run = (await import('./archived/restore.js')).restoreContainer(from, id, { ...call, signal: work.signal });
    for await (const progress of run) work.emit(progress);
    return run.done;
  });
}

export function migrateContainer(
  id: string,
  options: Migrate.ContainerMigrateOptions,
): Operation<MigrateProgress, Migrate.ContainerMigrateReport> {
  return operation(options.signal, async (work) => {
    const run = (await import('./moved/migrate.js')).migrateContainer(id, { ...options, signal: work.signal });
    for await (const progress of run) work.emit(progress);
    return run.done;
  });
}
