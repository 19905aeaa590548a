// restore ARCHIVE --container, or restore -D DIR --container: as a container of a runtime, which knows it afterwards. Of a restore's options it
// takes those that a runtime has.

import { resolve } from 'node:path';
import type { Archive } from '../../archive/archive.js';
import { type ImagesDirectory, imagesDirectory } from '../../criu/target.js';
import { restoreContainer } from '../../runtime/archived/restore.js';
import type { Context, Invocation } from '../context.js';
import { EXIT } from '../exit-code.js';
import { follow } from '../follow.js';
import { UsageError } from '../usage-error.js';
import { namedArchive } from './archive-keys.js';
import { lazyCall, watchFill } from './lazily.js';
import { collected, settling } from './shared.js';

const TAKEN: ReadonlySet<string> = new Set(['tcpEstablished', 'tcpClose', 'extUnixSk', 'shellJob', 'fileLocks']);

export async function runContainerRestore(invocation: Invocation, context: Context): Promise<number> {
  const { terminal, preferences, interruption } = context;
  const { container = '', bundle = '.', rootfs, runtime, root } = preferences.into;
  const found = collected('restore', invocation, context);
  const [named] = invocation.command.operands;
  const alien = Object.keys(found.options).find((name) => !TAKEN.has(name));
  if (alien !== undefined) throw wrong(`--container: its runtime has no option for "${alien}"`);
  const { tcpEstablished, tcpClose, extUnixSk, shellJob, fileLocks } = found.options;
  const { imagesDir, pidfile, restoreDetached } = found.arguments;
  const source = await sourceOf({ named, imagesDir }, preferences.reading);
  const { lazy } = lazyCall(preferences, invocation.settings);
  if (lazy !== undefined && restoreDetached !== true)
    throw wrong('--lazy: a container is restored detached then, --restore-detached');
  const given = {
    rootfs,
    runtime,
    root,
    criu: preferences.criu,
    pidFile: pidfile,
    tcpEstablished,
    tcpClose,
    externalUnixConnections: extUnixSk,
    shellJob,
    fileLocks,
    lazy,
    // In the foreground it has our terminal or whatever we have.
    ...(restoreDetached === true ? { detach: true } : { stdin: 0, stdout: 1, stderr: 2 }),
  };
  const run = settling('restore', () =>
    restoreContainer(source, container, {
      bundle,
      ...(Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as object),
      signal: interruption.signal,
    }),
  );
  const report = await follow(run, context);
  const { filling, ...restored } = report;
  const name = source.kind === 'archive' ? source.name : source.path;
  if (!preferences.json && !preferences.quiet && restoreDetached === true)
    terminal.say(`Restored container ${report.id} from ${name} into ${report.bundle}`);
  const fill = filling === undefined ? undefined : await watchFill({ filling, of: `container ${report.id}` }, context);
  if (preferences.json) terminal.printJson({ ...restored, ...fill });
  return restoreDetached === true ? EXIT.done : report.status;
}

async function sourceOf(
  { named, imagesDir }: { readonly named: string | undefined; readonly imagesDir: string | undefined },
  reading: Context['preferences']['reading'],
): Promise<Archive | ImagesDirectory> {
  if ((named === undefined) === (imagesDir === undefined))
    throw wrong('--container: an archive or --images-dir is needed, and not both');
  if (named !== undefined) return namedArchive(named, reading, 'restore');
  return imagesDirectory(resolve(imagesDir ?? ''));
}

function wrong(message: string): UsageError {
  return new UsageError(message, 'restore');
}
