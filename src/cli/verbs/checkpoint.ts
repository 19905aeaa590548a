// checkpoint: a dump into one archive. It takes a dump's options; what only CRIU itself can do with them is refused, because CRIU
// writes no archives.

import { type Archive, type ArchiveOptions, archive } from '../../archive/archive.js';
import { type CheckpointReport, dump } from '../../criu/dump.js';
import type { DumpOptions } from '../../options/types.js';
import type { Context, OwnInvocation } from '../context.js';
import { EXIT } from '../exit-code.js';
import { follow } from '../follow.js';
import { type Collected, collect } from '../parse/collect.js';
import { OWN_COMMANDS } from '../parse/own.js';
import { lastValue, type Settings } from '../parse/settings.js';
import { checkpointSummary } from '../print/summary.js';
import { route } from '../route.js';
import { UsageError } from '../usage-error.js';
import { contentsOf } from './archive-contents.js';
import { settling } from './shared.js';

const STDOUT = '-';

export async function runCheckpoint({ settings, operands }: OwnInvocation, context: Context): Promise<number> {
  const { terminal, preferences, interruption } = context;
  if (operands.length > 0) throw wrong(`checkpoint takes no operand, and was given "${operands.join(' ')}"`);
  if (settings.has('container')) {
    const { runContainerCheckpoint } = await import('./container-checkpoint.js');
    return runContainerCheckpoint({ settings, found: collectedDump(settings, context) }, context);
  }
  const found = collectedDump(settings, context);
  const { tree } = found.arguments;
  if (tree === undefined) throw wrong('checkpoint needs the tree, -t PID, or a container, --container ID');
  const { criu, absorb } = preferences;
  const { parent, autoDedup, ...options } = found.options;
  if (parent !== undefined || autoDedup !== undefined)
    throw wrong('checkpoint: an archive holds everything, so it takes neither --prev-images-dir nor --auto-dedup');
  const to = await archiveOf(settings, context);
  const run = settling('checkpoint', () =>
    dump(tree, {
      ...options,
      to,
      sync: preferences.sync,
      signal: interruption.signal,
      ...(criu === undefined ? {} : { criu }),
      ...(absorb === undefined ? {} : { absorb }),
    }),
  );
  const report = await follow(run, context);
  const later = laterOf(options);
  const line = JSON.stringify({ ...report, tree: later });
  // What is on stdout then is the archive.
  if (preferences.json && lastValue(settings, 'output') === STDOUT) terminal.say(line);
  else if (preferences.json) terminal.print(line);
  else if (!preferences.quiet) terminal.say(checkpointSummary(report satisfies CheckpointReport, later));
  return EXIT.done;
}

function wrong(message: string): UsageError {
  return new UsageError(message, 'checkpoint');
}

const OWN = new Set(OWN_COMMANDS.checkpoint.map(({ name }) => name).filter((name) => name !== 'tree'));

function collectedDump(all: Settings, { terminal, preferences }: Context): Collected<'dump'> {
  const settings = new Map([...all].filter(([name]) => !(OWN as ReadonlySet<string>).has(name)));
  const way = route('dump', settings);
  if (way.kind === 'criu') throw wrong(`checkpoint: ${way.because.join('; ')}, and CRIU writes no archives`);
  const found = settling('checkpoint', () => collect('dump', settings));
  const idle = [...found.idle, ...(found.arguments.imagesDir === undefined ? [] : ['--images-dir'])];
  if (!preferences.quiet) for (const written of idle) terminal.say(`frazil: ${written} has no effect on checkpoint`);
  return found;
}

async function archiveOf(settings: Settings, { preferences: { reading } }: Context): Promise<Archive> {
  const output = lastValue(settings, 'output');
  if (output === undefined) throw wrong('checkpoint needs a place: -o FILE, or -o - for stdout');
  const options: ArchiveOptions = {
    ...(await contentsOf({ settings, reading, topic: 'checkpoint' })),
    // As `tar -cf` does; only when the new one is whole.
    replace: true,
    ...(settings.has('digests') ? { digests: true } : {}),
  };
  return settling('checkpoint', () => archive(output === STDOUT ? { fd: 1 } : output, options));
}

function laterOf({ leaveRunning, leaveStopped }: DumpOptions): 'killed' | 'running' | 'stopped' {
  if (leaveStopped === true) return 'stopped';
  return leaveRunning === true ? 'running' : 'killed';
}
