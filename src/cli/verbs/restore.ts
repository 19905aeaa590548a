// restore: detached, or in the foreground until the tree has ended, as CRIU does.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type FillReport, type RestoreCall, restore } from '../../criu/restore.js';
import { imagesDirectory } from '../../criu/target.js';
import type { Tree } from '../../criu/tree.js';
import { readRestoreStats } from '../../images/stats.js';
import { argumentLine } from '../../options/row.js';
import type { Context, Invocation } from '../context.js';
import { EXIT } from '../exit-code.js';
import { follow } from '../follow.js';
import { openLogFile } from '../log-file.js';
import { isOn } from '../parse/settings.js';
import { restoreStatistics } from '../print/statistics.js';
import { millis } from '../print/units.js';
import { UsageError } from '../usage-error.js';
import { namedArchive } from './archive-keys.js';
import { type Directories, directories } from './directories.js';
import { type Filled, lazyCall, PEER_OPTIONS, watchFill } from './lazily.js';
import { asked, collected, loggedAt, settling } from './shared.js';

export async function runRestore(invocation: Invocation, context: Context): Promise<number> {
  const begun = performance.now();
  const { container, ...more } = context.preferences.into;
  if (container !== undefined) {
    const { runContainerRestore } = await import('./container-restore.js');
    return runContainerRestore(invocation, context);
  }
  const [lost] = Object.keys(more);
  if (lost !== undefined) throw new UsageError(`--${lost}: it is for a container, which --container names`, 'restore');
  const found = collected('restore', fetchesPages(invocation, context) ? withoutPeer(invocation) : invocation, context);
  const { displayStats, ...options } = found.options;
  const { imagesDir, pidfile, restoreDetached } = found.arguments;
  const [named] = invocation.command.operands;
  if (named !== undefined && imagesDir !== undefined)
    throw new UsageError('restore takes an archive or --images-dir, not both', 'restore');
  const source = named === undefined ? undefined : await namedArchive(named, context.preferences.reading, 'restore');
  // The log of a restore from an archive lies where the command was given, as CRIU's own without a work directory.
  const lying = await directories(imagesDir, options.workDir);
  const place: Directories = source === undefined ? lying : { ...lying, imagesDir: source.name };
  const log = await openLogFile({
    word: 'restore',
    workDir: place.workDir,
    logPath: found.logPath,
    level: options.logLevel,
    terminal: context.terminal,
  });
  const lazily = lazyCall(context.preferences, invocation.settings);
  // CRIU's own directory is another one in a lazy restore.
  await using pid = await pidfileConfig(pidfile === undefined ? undefined : resolve(place.workDir, pidfile));
  const call: RestoreCall = {
    ...options,
    ...pid.options,
    ...lazily,
    ...loggedAt(found),
    ...asked(context),
    ...(context.preferences.as === undefined ? {} : { as: context.preferences.as }),
    workDir: place.workDir,
    logFile: log.name,
    // A tree that stays behind is nobody's child; one in the foreground is ours, so that its end is noticed.
    restoreSibling: restoreDetached !== true,
  };
  try {
    const { copies } = context.preferences;
    if (copies !== undefined) {
      if (pidfile !== undefined) throw new UsageError('--pidfile is about one tree, --copies makes several', 'restore');
      const { runCopies } = await import('./restore-copies.js');
      const asked = { source: source ?? imagesDirectory(place.imagesDir), call, copies, detached: restoreDetached };
      const ended = await runCopies({ ...asked, imagesDir: place.imagesDir, begun }, context);
      await log.finish('done');
      return ended;
    }
    const run = settling('restore', () => restore(source ?? imagesDirectory(place.imagesDir), call));
    const tree = await follow(run, context);
    await log.finish('done');
    const wallMs = Math.round(performance.now() - begun);
    if (displayStats === true) await sayStatistics(place, context);
    sayRestored({ tree, place, wallMs }, restoreDetached === true ? '' : '; waiting for its end', context);
    const fill = await watchFill(fillOf(tree), context);
    const restored = { tree, place, wallMs, ...(fill === undefined ? {} : { fill }) };
    return restoreDetached === true ? leave(restored, context) : await attend(restored, context);
  } catch (error) {
    await log.finish('failed');
    throw error;
  }
}

function fillOf({ filling, pid }: Tree): Filled {
  return { ...(filling === undefined ? {} : { filling }), of: `process ${pid}` };
}

function fetchesPages({ settings }: Invocation, { preferences }: Context): boolean {
  return preferences.lazy && isOn(settings, 'page-server');
}

/** What says where the pages are is of the lazy restore, which reads it itself. */
function withoutPeer({ settings, ...rest }: Invocation): Invocation {
  return { ...rest, settings: new Map([...settings].filter(([name]) => !PEER_OPTIONS.includes(name))) };
}

interface Restored {
  readonly tree: Tree;
  readonly place: Directories;
  readonly wallMs: number;
  readonly fill?: FillReport;
}

function sayRestored(
  { tree: { pid }, place: { imagesDir }, wallMs }: Restored,
  andNow: string,
  { terminal, preferences }: Context,
): void {
  if (!preferences.quiet && !preferences.json)
    terminal.say(`Restored process ${pid} from ${imagesDir} in ${millis(wallMs)}${andNow}`);
}

function leave(
  { tree: { pid }, place: { imagesDir }, wallMs, fill }: Restored,
  { terminal, preferences }: Context,
): number {
  if (preferences.json) terminal.printJson({ pid, imagesDir, wallMs, ...fill });
  return EXIT.done;
}

// CRIU blocks all signals while it waits and then ends with 0, however the tree ended. So the first Ctrl-C changes nothing here
// either (a shell job gets it from the terminal itself), but the second lets go of the tree.
async function attend(
  { tree, place, wallMs, fill }: Restored,
  { terminal, preferences, interruption }: Context,
): Promise<number> {
  const { pid } = tree;
  const letGo = new Promise<'left'>((resolve) => {
    let signals = 0;
    interruption.divert(() => {
      signals += 1;
      if (signals > 1) resolve('left');
      else terminal.say(`frazil: process ${pid} runs on; once more leaves it`);
    });
  });
  const end = await Promise.race([tree.exited, letGo]);
  const left = end === 'left';
  if (preferences.json)
    terminal.printJson({ pid, imagesDir: place.imagesDir, wallMs, ...fill, ...(left ? { left } : { exited: end }) });
  return left ? EXIT.aborted : EXIT.done;
}

async function sayStatistics({ workDir }: Directories, { terminal, preferences }: Context): Promise<void> {
  for (const line of restoreStatistics(await readRestoreStats(workDir))) {
    if (preferences.json) terminal.say(line);
    else terminal.print(line);
  }
}

interface PidfileConfig extends AsyncDisposable {
  readonly options: Pick<RestoreCall, 'config'>;
}

// CRIU writes the pidfile while the tree still stands, and gives up when the file exists. Its RPC has no field for it, its
// configuration file does.
async function pidfileConfig(path: string | undefined): Promise<PidfileConfig> {
  if (path === undefined) return { options: {}, async [Symbol.asyncDispose]() {} };
  const directory = await mkdtemp(join(tmpdir(), 'frazil-pidfile-'));
  const config = join(directory, 'criu.conf');
  await writeFile(config, `${argumentLine('pidfile', path)}\n`, { mode: 0o600 });
  return { options: { config }, [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }) };
}
