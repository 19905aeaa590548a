// checkpoint --container: a container into one archive, by its runtime. Of a dump's options it takes those that a runtime has.

import type { ContainerArchiveReport } from '../../runtime/archived/checkpoint.js';
import { checkpointContainer } from '../../runtime/archived/checkpoint.js';
import type { Context } from '../context.js';
import { EXIT } from '../exit-code.js';
import { follow } from '../follow.js';
import type { Collected } from '../parse/collect.js';
import { lastValue, type Settings } from '../parse/settings.js';
import { bytes, millis } from '../print/units.js';
import { UsageError } from '../usage-error.js';
import { contentsOf } from './archive-contents.js';
import { settling } from './shared.js';

interface Asked {
  readonly settings: Settings;
  readonly found: Collected<'dump'>;
}

/** Instead of a file's name. */
const STDOUT = '-';

const TAKEN: ReadonlySet<string> = new Set([
  'leaveRunning',
  'tcpEstablished',
  'extUnixSk',
  'shellJob',
  'fileLocks',
  'linkRemap',
  'networkLock',
]);

export async function runContainerCheckpoint({ settings, found }: Asked, context: Context): Promise<number> {
  const { terminal, preferences, interruption } = context;
  const { leaveRunning, tcpEstablished, extUnixSk, shellJob, fileLocks, linkRemap, networkLock } = found.options;
  if (found.arguments.tree !== undefined) throw wrong('takes a tree or a container, not both');
  const alien = Object.keys(found.options).find((name) => !TAKEN.has(name));
  if (alien !== undefined) throw wrong(`--container: its runtime has no option for "${alien}"`);
  const output = lastValue(settings, 'output');
  if (output === undefined) throw wrong('needs a place: -o FILE, or -o - for stdout');
  const contents = await contentsOf({ settings, reading: preferences.reading, topic: 'checkpoint' });
  const root = lastValue(settings, 'runtime-root');
  const given = {
    leaveRunning,
    tcpEstablished,
    externalUnixConnections: extUnixSk,
    shellJob,
    fileLocks,
    linkRemap,
    networkLock,
    criu: preferences.criu,
    roots: root === undefined ? undefined : [root],
  };
  const run = settling('checkpoint', () =>
    checkpointContainer(lastValue(settings, 'container') ?? '', {
      ...contents,
      // As `tar -cf` does; only when the new one is whole.
      replace: true,
      ...(Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as object),
      to: output === STDOUT ? { fd: 1 } : output,
      sync: preferences.sync,
      signal: interruption.signal,
    }),
  );
  const report = await follow(run, context);
  const line = JSON.stringify(report);
  // What is on stdout then is the archive.
  if (preferences.json && output === STDOUT) terminal.say(line);
  else if (preferences.json) terminal.print(line);
  else if (!preferences.quiet) terminal.say(summary(report, leaveRunning === true));
  return EXIT.done;
}

function summary({ id, archive, withoutRootfs, stoodStillMs }: ContainerArchiveReport, running: boolean): string {
  const later = running ? 'and left it running' : 'and ended it';
  const size = archive.fileBytes === undefined ? '' : `: ${bytes(archive.fileBytes)}`;
  const without = withoutRootfs === undefined ? '' : `. Its root filesystem is not in it: ${withoutRootfs}`;
  return `Checkpointed container ${id} to ${archive.path} ${later}${size}, stood still for ${millis(stoodStillMs)}${without}`;
}

function wrong(message: string): UsageError {
  return new UsageError(`checkpoint ${message}`, 'checkpoint');
}
