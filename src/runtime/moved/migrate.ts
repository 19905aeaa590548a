// migrateContainer: a container to another host, where its runtime knows it afterwards.

import { type Operation, operation } from '../../criu/operation.js';
import { CheckpointError } from '../../errors/checkpoint-error.js';
import { assertMigration } from '../../migrate/migrate.js';
import { runMigration } from '../../migrate/source/migrating.js';
import type { MigrateOptions, MigrateProgress, MigrateReport } from '../../migrate/source/options.js';
import { type FindCall, type FoundContainer, findContainer } from '../find/find.js';
import { assertId, checkpointOperations } from '../operations.js';
import type { CheckpointOptions } from '../options.js';
import { openVessel, type Volume } from './vessel.js';

type RuntimeOptions = Pick<
  CheckpointOptions,
  'tcpEstablished' | 'externalUnixConnections' | 'fileLocks' | 'manageCgroupsMode' | 'linkRemap' | 'tcpSkipInFlight'
>;

export interface ContainerMigrateOptions
  extends Omit<MigrateOptions, 'dump' | 'tracking' | 'mode' | 'rescueTo'>,
    FindCall,
    RuntimeOptions {
  /** Folders that are mounted into it and move with it: `path` is the mount's source here, `name` its folder there. */
  readonly volumes?: readonly Volume[];
}

export interface ContainerMigrateReport extends MigrateReport, Pick<FoundContainer, 'id' | 'runtime' | 'root'> {}

/**
 * Moves the container to the receiver at `to`, which must have been given a place for it. Resolves when it runs there and is gone here,
 * with its state in the runtime.
 *
 * Rejects as migrate() and findContainer() do, with RUNTIME_REFUSED when its runtime does not checkpoint it. Of a
 * terminal its receiver must know where the other end goes. Whenever it rejects the container runs on here and no task of a copy is left there; an abort is
 * as with migrate().
 */
export function migrateContainer(
  id: string,
  options: ContainerMigrateOptions,
): Operation<MigrateProgress, ContainerMigrateReport> {
  assertId(id);
  const plan = assertMigration(options);
  // A runtime restores by a CRIU of its own, which knows nothing of pages that come later.
  if (options.whenDiverging === 'lazy')
    throw new RangeError('Cannot migrate a container lazily: its runtime restores all of it');
  return operation(options.signal, async (work) => {
    const found = await findContainer(id, options);
    checkpointOperations(found.operations);
    const { runtime, root, state } = found;
    if (state.status !== 'running') throw notRunning(found);
    const { paths, criu, volumes = [] } = options;
    const vessel = await openVessel({ found, path: paths?.[runtime], criu, options: runtimeOptions(options), volumes });
    const report = await runMigration(
      { ...plan, pid: state.pid, options: { ...options, dump: needsOf(options), tracking: 'digest' }, vessel },
      work,
    );
    return { ...report, id: found.id, runtime, root };
  });
}

// What the restore has to be told as well (migrate/source/final.ts).
function needsOf({
  tcpEstablished,
  externalUnixConnections,
  fileLocks,
}: RuntimeOptions): NonNullable<MigrateOptions['dump']> {
  return {
    ...(tcpEstablished === undefined ? {} : { tcpEstablished }),
    ...(externalUnixConnections === undefined ? {} : { extUnixSk: externalUnixConnections }),
    ...(fileLocks === undefined ? {} : { fileLocks }),
  };
}

const RUNTIME_OPTIONS = [
  'tcpEstablished',
  'externalUnixConnections',
  'fileLocks',
  'manageCgroupsMode',
  'linkRemap',
  'tcpSkipInFlight',
] as const satisfies readonly (keyof RuntimeOptions)[];

function runtimeOptions(options: RuntimeOptions): RuntimeOptions {
  const given = RUNTIME_OPTIONS.filter((name) => options[name] !== undefined);
  return Object.fromEntries(given.map((name) => [name, options[name]]));
}

function notRunning({ id, runtime, state }: FoundContainer): CheckpointError<'RUNTIME_REFUSED'> {
  const message = `Cannot migrate container "${id}": it is ${state.status}`;
  return new CheckpointError('RUNTIME_REFUSED', message, { runtime, command: 'checkpoint', status: 0, errors: [] });
}
