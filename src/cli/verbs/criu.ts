// A command of CRIU's: its configuration files and its consistency rules first, then the way that route() chose.

import { readConfiguration } from '../config.js';
import type { Context, Invocation } from '../context.js';
import { type CriuCommand, type CriuWord, takesArchive } from '../parse/command-line.js';
import { inconsistency } from '../parse/consistency.js';
import { isOn, lastValue, type Settings, settle } from '../parse/settings.js';
import { type Route, route } from '../route.js';
import { UsageError } from '../usage-error.js';

/** Resolves with the exit status. */
export async function runCriu(command: CriuCommand, context: Context): Promise<number> {
  const given = settle(command.occurrences);
  const { occurrences, unreadable } = await readConfiguration(given, context.env);
  const settings = settle([...occurrences, ...command.occurrences]);
  for (const path of unreadable)
    context.terminal.say(`frazil: the configuration file ${path} cannot be read; CRIU takes it as empty`);
  const wrong = inconsistency(command, settings);
  if (wrong !== undefined) throw new UsageError(wrong, command.word);
  const way = route(command.word, settings);
  if (isVerbose(settings, context)) sayWay(command, way, context);
  const [archive] = takesArchive(command.word) ? command.operands : [];
  if (way.kind === 'criu' && archive !== undefined && !isOn(settings, 'exec-cmd'))
    throw new UsageError(
      `the archive "${archive}" can only be read by Frazil, and ${way.because.join('; ')}`,
      command.word,
    );
  const ours = doneByFrazil(command.word, context);
  if (way.kind === 'criu' && ours !== undefined)
    throw new UsageError(`${ours} is done by Frazil, and ${way.because.join('; ')}`, command.word);
  if (way.kind === 'criu') {
    const { handOver } = await import('../hand-over.js');
    return handOver(command, settings, context);
  }
  // Its content is in the settings; CRIU itself would read it under other rules.
  delete process.env['CRIU_CONFIG_FILE'];
  return perform(way.operation, { command, settings }, context);
}

/** An option that was given and that CRIU's own command line could not honour. */
function doneByFrazil(word: CriuWord, { preferences: { as, lazy, small } }: Context): string | undefined {
  if (as !== undefined) return '--as-...';
  if (lazy && word === 'restore') return '--lazy';
  return small !== undefined && word === 'page-server' ? '--small' : undefined;
}

async function perform(
  operation: Extract<Route, { kind: 'frazil' }>['operation'],
  invocation: Invocation,
  context: Context,
): Promise<number> {
  switch (operation) {
    case 'dump':
      return (await import('./dump.js')).runDump(invocation, context);
    case 'preDump':
      return (await import('./dump.js')).runPreDump(invocation, context);
    case 'restore':
      return (await import('./restore.js')).runRestore(invocation, context);
    case 'lazyPages':
      return (await import('./lazy-pages.js')).runLazyPages(invocation, context);
    case 'servePages':
      return (await import('./serve-pages.js')).runServePages(invocation, context);
    case 'check':
      return (await import('./check.js')).runCheck(invocation, context);
    default:
      return (await import('./cpuinfo.js')).runCpuinfo(invocation, context);
  }
}

// CRIU's informational level: given, and not taken back by -v0 to -v2.
function isVerbose(settings: Settings, { preferences }: Context): boolean {
  const level = lastValue(settings, 'verbosity');
  return preferences.json || (settings.has('verbosity') && !/^[0-2]$/.test(level ?? ''));
}

function sayWay({ word }: CriuCommand, way: Route, { terminal }: Context): void {
  const who = way.kind === 'criu' ? `by CRIU itself: ${way.because.join('; ')}` : 'by Frazil over RPC';
  terminal.say(`frazil: ${word} is done ${who}`);
}
