// restore ARCHIVE --container: as a container of a runtime, which knows it afterwards. Of a restore's options it takes those that a runtime has.

import { restoreContainer } from '../../runtime/archived/restore.js';
import type { Context, Invocation } from '../context.js';
import { EXIT } from '../exit-code.js';
import { follow } from '../follow.js';
import { UsageError } from '../usage-error.js';
import { namedArchive } from './archive-keys.js';
import { collected, settling } from './shared.js';

const TAKEN: ReadonlySet<string> = new Set(['tcpEstablished', 'tcpClose', 'extUnixSk', 'shellJob', 'fileLocks']);

export async function runContainerRestore(invocation: Invocation, context: Context): Promise<number> {
  const { terminal, preferences, interruption } = context;
  const { container = '', bundle = '.', rootfs, runtime, root } = preferences.into;
  const found = collected('restore', invocation, context);
  const [named] = invocation.command.operands;
  if (named === undefined) throw wrong('--container: an archive is needed, restore ARCHIVE');
  const alien = Object.keys(found.options).find((name) => !TAKEN.has(name));
  if (alien !== undefined) throw wrong(`--container: its runtime has no option for "${alien}"`);
  const { tcpEstablished, tcpClose, extUnixSk, shellJob, fileLocks } = found.options;
  const { pidfile, restoreDetached } = found.arguments;
  const source = await namedArchive(named, preferences.reading, 'restore');
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
  if (preferences.json) terminal.printJson(report);
  else if (!preferences.quiet && restoreDetached === true)
    terminal.say(`Restored container ${report.id} from ${source.name} into ${report.bundle}`);
  return restoreDetached === true ? EXIT.done : report.status;
}

function wrong(message: string): UsageError {
  return new UsageError(message, 'restore');
}
