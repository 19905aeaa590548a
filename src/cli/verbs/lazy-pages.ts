// lazy-pages: serves the pages of a tree that `criu restore --lazy-pages` restores, in place of CRIU's daemon.

import { lazyPages } from '../../criu/lazy/lazy-pages.js';
import type { Context, Invocation } from '../context.js';
import { EXIT } from '../exit-code.js';
import { follow } from '../follow.js';
import { lastValue } from '../parse/settings.js';
import { counted, millis } from '../print/units.js';
import { directories } from './directories.js';
import { fillOptions, peerOf } from './lazily.js';

export async function runLazyPages({ settings }: Invocation, context: Context): Promise<number> {
  const { terminal, preferences, interruption } = context;
  const place = await directories(lastValue(settings, 'images-dir'), lastValue(settings, 'work-dir'));
  const logFile = lastValue(settings, 'log-file');
  // As CRIU's daemon: without it the tree cannot go on, so its end is the end of the tree.
  const pageServer = peerOf(settings, 'lazy-pages');
  const filling = await lazyPages({
    ...place,
    ...(logFile === undefined ? {} : { logFile }),
    ...(pageServer === undefined ? {} : { pageServer }),
    ...fillOptions(preferences),
    outlive: false,
  });
  const end = (): void => void filling[Symbol.asyncDispose]();
  interruption.signal.addEventListener('abort', end, { once: true });
  const report = await follow(filling, context);
  if (preferences.json) terminal.printJson(report);
  else if (!preferences.quiet)
    terminal.say(
      `Filled ${counted(report.tasks, 'task')} in ${millis(report.filledMs)}, ${counted(report.faults, 'fault')}`,
    );
  return EXIT.done;
}
