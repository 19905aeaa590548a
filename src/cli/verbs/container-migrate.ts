// migrate --container: of a dump's options it takes those that a runtime has.

import type { Operation } from '../../criu/operation.js';
import type { MigrateOptions, MigrateProgress } from '../../migrate/source/options.js';
import { type ContainerMigrateReport, migrateContainer } from '../../runtime/moved/migrate.js';
import { lastValue, type Settings } from '../parse/settings.js';
import { UsageError } from '../usage-error.js';
import { pairOf, valuesOf } from './archive-contents.js';
import { dumped } from './migrate-dump.js';
import { settling } from './shared.js';

const TAKEN: ReadonlySet<string> = new Set(['tcpEstablished', 'extUnixSk', 'fileLocks', 'linkRemap']);

export function beginContainer(
  settings: Settings,
  options: MigrateOptions,
): Operation<MigrateProgress, ContainerMigrateReport> {
  const { tree, dump } = dumped(settings);
  if (tree !== undefined) throw wrong('migrate takes a tree or a container, not both');
  const alien = Object.keys(dump).find((name) => !TAKEN.has(name));
  if (alien !== undefined) throw wrong(`--container: its runtime has no option for "${alien}"`);
  if (options.mode !== undefined || options.rescueTo !== undefined)
    throw wrong('--container: its runtime restores all of it, so --mode and --rescue-to are not for it');
  if (options.tracking === 'soft-dirty') throw wrong('--container: its pages are compared, --tracking digest');
  const { tcpEstablished, extUnixSk, fileLocks, linkRemap } = dump;
  const root = lastValue(settings, 'runtime-root');
  const given = {
    tcpEstablished,
    externalUnixConnections: extUnixSk,
    fileLocks,
    linkRemap,
    roots: root === undefined ? undefined : [root],
  };
  const volumes = valuesOf(settings, 'volume').map((text) =>
    pairOf(text, wrong(`--volume: NAME=DIR expected, not "${text}"`)),
  );
  return settling('migrate', () =>
    migrateContainer(lastValue(settings, 'container') ?? '', {
      ...options,
      ...(Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as object),
      volumes,
    }),
  );
}

function wrong(message: string): UsageError {
  return new UsageError(message, 'migrate');
}
