// archive create: an archive of an images directory.

import { type CreateCall, type CreateOptions, createArchive } from '../../archive/create/call.js';
import type { CreateReport } from '../../archive/create/create.js';
import type { Context } from '../context.js';
import { EXIT } from '../exit-code.js';
import { follow } from '../follow.js';
import { lastValue, type Settings } from '../parse/settings.js';
import { bytes, millis } from '../print/units.js';
import { UsageError } from '../usage-error.js';
import { contentsOf, given } from './archive-contents.js';
import { settling } from './shared.js';

export async function runCreateVerb(settings: Settings, surplus: readonly string[], context: Context): Promise<number> {
  const imagesDir = lastValue(settings, 'images-dir');
  const output = lastValue(settings, 'output');
  if (imagesDir === undefined || output === undefined || surplus.length > 0)
    throw new UsageError('archive create needs --images-dir and --output, and takes no operand', 'archive');
  const call: CreateCall = {
    ...(await optionsOf(settings, context)),
    to: output === '-' ? { fd: 1 } : output,
    // As tar does.
    replace: true,
    signal: context.interruption.signal,
  };
  const report = await follow(
    settling('archive', () => createArchive(imagesDir, call)),
    context,
  );
  say(report, output, context);
  return EXIT.done;
}

async function optionsOf(settings: Settings, { preferences: { reading } }: Context): Promise<CreateOptions> {
  return {
    ...(await contentsOf({ settings, reading, topic: 'archive' })),
    ...given('workDir', lastValue(settings, 'work-dir')),
    digests: reading.digests,
    index: !settings.has('no-index'),
    sync: settings.has('sync'),
  };
}

// On standard output is the archive then.
function say(report: CreateReport, output: string, { terminal, preferences }: Context): void {
  const { path, members, bytes: size, fileBytes, wallMs } = report;
  if (preferences.json) {
    if (output === '-') terminal.say(JSON.stringify(report));
    else terminal.printJson(report);
  } else if (!preferences.quiet) {
    const file = fileBytes === undefined || fileBytes === size ? '' : `, ${bytes(fileBytes)} in the file`;
    terminal.say(`Archived ${members} members, ${bytes(size)}${file}, into ${path} in ${millis(wallMs)}`);
  }
}
