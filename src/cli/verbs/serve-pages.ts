// page-server --lazy-pages: serves the pages of images or of an archive to a lazy restore elsewhere, in place of CRIU's.

import { servePages } from '../../criu/lazy/serve-pages.js';
import { imagesDirectory } from '../../criu/target.js';
import type { Context, Invocation } from '../context.js';
import { EXIT } from '../exit-code.js';
import { follow } from '../follow.js';
import { lastValue } from '../parse/settings.js';
import { bytes, counted, millis } from '../print/units.js';
import { UsageError } from '../usage-error.js';
import { namedArchive } from './archive-keys.js';
import { directories } from './directories.js';
import { portOf } from './lazily.js';

export async function runServePages({ command, settings }: Invocation, context: Context): Promise<number> {
  const { terminal, preferences, interruption } = context;
  const { small } = preferences;
  const [archive] = command.operands;
  const imagesDir = lastValue(settings, 'images-dir');
  if (archive !== undefined && imagesDir !== undefined)
    throw new UsageError('page-server takes an archive or --images-dir, not both', 'page-server');
  const source =
    archive === undefined
      ? imagesDirectory((await directories(imagesDir)).imagesDir)
      : await namedArchive(archive, preferences.reading, 'page-server');
  // As CRIU's: every address, unless one is named.
  const address = lastValue(settings, 'address') ?? '0.0.0.0';
  const port = portOf(settings, 'page-server') ?? 0;
  if (small !== undefined && archive !== undefined)
    throw new UsageError('--small is about --images-dir: extract the archive first', 'page-server');
  const call = { address, port, ...(small === undefined ? {} : { small }), signal: interruption.signal };
  const server = await servePages(source, call);
  if (preferences.json) terminal.printJson({ event: 'listening', address, port: server.port });
  else if (!preferences.quiet) terminal.say(`Waiting for a lazy restore on port ${server.port} of ${address}`);
  const report = await follow(server, context);
  if (preferences.json) terminal.printJson(report);
  else if (!preferences.quiet)
    terminal.say(`Served ${bytes(report.bytes)} in ${millis(report.wallMs)}, ${counted(report.requests, 'request')}`);
  return EXIT.done;
}
