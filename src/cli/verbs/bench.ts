// bench: the harness is in src/bench; here are only its options, its progress and its table.

import { type BenchRequest, runBench } from '../../bench/bench.js';
import { listBench, renderCatalog } from '../../bench/catalog.js';
import { progressLine } from '../../bench/progress.js';
import { renderTable } from '../../bench/table.js';
import type { Context, OwnInvocation } from '../context.js';
import { EXIT } from '../exit-code.js';
import { lastValue, type Settings } from '../parse/settings.js';
import { sizeOf } from '../parse/size.js';
import { UsageError } from '../usage-error.js';
import { settling } from './shared.js';

/** 0 when every peer delivered the right bytes, 1 when one did not. */
export async function runBenchCommand({ settings, operands }: OwnInvocation, context: Context): Promise<number> {
  const { terminal, preferences, interruption } = context;
  if (settings.has('list')) {
    terminal.print(renderCatalog(listBench()).trimEnd());
    return EXIT.done;
  }
  const ui = {
    report: (progress: Parameters<typeof progressLine>[0]): void => {
      if (!preferences.quiet) terminal.status(progressLine(progress));
    },
  };
  const running = settling('bench', () => runBench(requestOf(settings, operands), ui, { signal: interruption.signal }));
  const result = await running.finally(() => terminal.clear());
  terminal.print(renderTable(result).trimEnd());
  return result.cells.some(({ failure }) => failure !== undefined) ? EXIT.failed : EXIT.done;
}

function requestOf(settings: Settings, operands: readonly string[]): BenchRequest {
  const [scenario, ...surplus] = operands;
  if (scenario === undefined || surplus.length > 0)
    throw new UsageError('bench needs one scenario; --list names them', 'bench');
  const peers = (settings.get('peer')?.values ?? []).filter((name) => name !== undefined);
  const bytes = lastValue(settings, 'size');
  return {
    scenario,
    ...(peers.length === 0 ? {} : { peers }),
    ...(bytes === undefined ? {} : { sizeBytes: settling('bench', () => sizeOf('--size', bytes)) }),
    ...numbers(settings, ['runs', 'warmups', 'processes', 'seed']),
    ...texts(settings, ['criu', 'json', 'svg', 'html']),
  };
}

function numbers<N extends string>(settings: Settings, names: readonly N[]): Partial<Record<N, number>> {
  const found: Partial<Record<N, number>> = {};
  for (const name of names) {
    const text = lastValue(settings, name);
    if (text === undefined) continue;
    if (!/^\d+$/.test(text)) throw new UsageError(`--${name}: a number expected, not "${text}"`, 'bench');
    found[name] = Number(text);
  }
  return found;
}

function texts<N extends string>(settings: Settings, names: readonly N[]): Partial<Record<N, string>> {
  const found: Partial<Record<N, string>> = {};
  for (const name of names) {
    const text = lastValue(settings, name);
    if (text !== undefined) found[name] = text;
  }
  return found;
}
