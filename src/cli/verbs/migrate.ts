// migrate: a live view on a terminal, one JSON object per line for programs, the report at the end.

import type { Operation } from '../../criu/operation.js';
import { migrate } from '../../migrate/migrate.js';
import type { MigrateOptions, MigrateProgress, MigrateReport } from '../../migrate/source/options.js';
import type { Context, OwnInvocation } from '../context.js';
import { EXIT } from '../exit-code.js';
import { lastValue, type Settings } from '../parse/settings.js';
import { iterationLine, migratedLines, stateLine } from '../print/migration.js';
import { UsageError } from '../usage-error.js';
import { dumped } from './migrate-dump.js';
import { networkOf } from './network.js';
import { securityOf, tokenOf } from './security.js';
import { settling } from './shared.js';

export async function runMigrate({ settings, operands }: OwnInvocation, context: Context): Promise<number> {
  const { terminal, preferences, interruption } = context;
  if (operands.length > 0)
    throw new UsageError(`migrate takes no operand, and was given "${operands.join(' ')}"`, 'migrate');
  const { criu } = preferences;
  const options = {
    ...wanted(settings),
    signal: interruption.signal,
    ...(criu === undefined ? {} : { criu }),
  };
  const run = await begin(settings, options);
  const shown = viewOf(context);
  try {
    for await (const progress of run) shown(progress);
    const report = await run.done;
    if (preferences.json) terminal.printJson(report);
    else if (!preferences.quiet) for (const line of migratedLines(report)) terminal.say(line);
    return EXIT.done;
  } finally {
    terminal.clear();
  }
}

// What of a container is loaded when one is named.
async function begin(settings: Settings, options: MigrateOptions): Promise<Operation<MigrateProgress, MigrateReport>> {
  if (settings.has('container')) {
    const { beginContainer } = await import('./container-migrate.js');
    return beginContainer(settings, options);
  }
  const lost = ['volume', 'runtime-root'].find((name) => settings.has(name));
  if (lost !== undefined) throw new UsageError(`--${lost}: it is for a container, which --container names`, 'migrate');
  const { tree, dump } = dumped(settings);
  if (tree === undefined) throw new UsageError('migrate needs -t PID, or --container ID', 'migrate');
  return settling('migrate', () => migrate(tree, { ...options, dump }));
}

/** What is printed of the progress: each iteration once, and between them the state. */
function viewOf({ terminal, preferences }: Context): (progress: MigrateProgress) => void {
  let printed = 0;
  return (progress) => {
    const iterations = progress.phase === 'iterating' ? progress.iterations : [];
    for (const iteration of iterations.slice(printed)) {
      printed += 1;
      if (preferences.json) terminal.printJson({ event: 'iteration', ...iteration });
      else if (!preferences.quiet) terminal.say(iterationLine(iteration));
    }
    if (progress.phase === 'iterating') return;
    if (preferences.json) terminal.printJson({ event: 'progress', ...progress });
    else if (terminal.isInteractive && !preferences.quiet) terminal.status(stateLine(progress));
  };
}

function wanted(settings: Settings): MigrateOptions {
  const to = lastValue(settings, 'to');
  if (to === undefined) throw new UsageError('migrate needs --to HOST:PORT', 'migrate');
  return {
    to,
    ...securityOf(settings),
    ...tokenOf(settings),
    ...networkOf(settings),
    ...(settings.has('mode') ? { mode: mode(lastValue(settings, 'mode')) } : {}),
    ...(settings.has('rescue-to') ? { rescueTo: lastValue(settings, 'rescue-to') ?? '' } : {}),
    ...(settings.has('dry-run') ? { dryRun: true } : {}),
    ...(settings.has('when-diverging') ? { whenDiverging: diverging(lastValue(settings, 'when-diverging')) } : {}),
    ...(settings.has('compress') ? { compress: packing(lastValue(settings, 'compress')) } : {}),
    ...(settings.has('tracking') ? { tracking: tracking(lastValue(settings, 'tracking')) } : {}),
    ...(settings.has('throttle') ? { throttle: throttleOf(lastValue(settings, 'throttle')) } : {}),
    ...(settings.has('delta') ? { delta: deltas(lastValue(settings, 'delta')) } : {}),
    ...numberOf(settings, 'delta-cache', 'deltaCacheBytes'),
    ...numberOf(settings, 'streams', 'streams'),
    ...numberOf(settings, 'max-downtime', 'maxDowntimeMs'),
    ...numberOf(settings, 'max-iterations', 'maxIterations'),
    ...numberOf(settings, 'max-total', 'maxTotalMs'),
    ...numberOf(settings, 'max-bytes', 'maxBytes'),
  };
}

function mode(text: string | undefined): NonNullable<MigrateOptions['mode']> {
  if (text === 'pre-copy' || text === 'post-copy' || text === 'hybrid') return text;
  throw new UsageError(`--mode: pre-copy, post-copy or hybrid expected, not "${text}"`, 'migrate');
}

function diverging(text: string | undefined): NonNullable<MigrateOptions['whenDiverging']> {
  if (text === 'give-up' || text === 'stop' || text === 'lazy') return text;
  throw new UsageError(`--when-diverging: give-up, stop or lazy expected, not "${text}"`, 'migrate');
}

function packing(text: string | undefined): NonNullable<MigrateOptions['compress']> {
  if (text === 'auto' || text === 'none' || text === 'lz4' || text === 'zstd') return text;
  throw new UsageError(`--compress: auto, none, lz4 or zstd expected, not "${text}"`, 'migrate');
}

function deltas(text: string | undefined): NonNullable<MigrateOptions['delta']> {
  if (text === 'auto' || text === 'none' || text === 'always') return text;
  throw new UsageError(`--delta: auto, none or always expected, not "${text}"`, 'migrate');
}

function tracking(text: string | undefined): NonNullable<MigrateOptions['tracking']> {
  if (text === 'auto' || text === 'soft-dirty' || text === 'digest') return text;
  throw new UsageError(`--tracking: auto, soft-dirty or digest expected, not "${text}"`, 'migrate');
}

function throttleOf(text: string | undefined): NonNullable<MigrateOptions['throttle']> {
  if (text !== undefined && /^\d*\.?\d+$/.test(text)) return { max: Number(text) };
  throw new UsageError(`--throttle: a share such as 0.8 expected, not "${text}"`, 'migrate');
}

function numberOf<K extends string>(settings: Settings, flag: string, name: K): Partial<Record<K, number>> {
  const text = lastValue(settings, flag);
  if (text === undefined) return {};
  if (!/^\d+$/.test(text)) throw new UsageError(`--${flag}: a whole number expected, not "${text}"`, 'migrate');
  return { [name]: Number(text) } as Partial<Record<K, number>>;
}
