// dump and pre-dump: from collected options to the verb, and from its report to what is printed.

import { resolve } from 'node:path';
import { type CaptureReport, dump } from '../../criu/dump.js';
import type { Operation } from '../../criu/operation.js';
import { preDump } from '../../criu/pre-dump.js';
import type { CaptureProgress } from '../../criu/progress.js';
import { type ImagesDirectory, imagesDirectory } from '../../criu/target.js';
import { readDumpStats } from '../../images/stats.js';
import type { CommonOptions } from '../../options/types.js';
import type { Context, Invocation } from '../context.js';
import { EXIT } from '../exit-code.js';
import { follow } from '../follow.js';
import { openLogFile } from '../log-file.js';
import type { Collected } from '../parse/collect.js';
import { dumpStatistics } from '../print/statistics.js';
import { captureSummary } from '../print/summary.js';
import { type Directories, directories } from './directories.js';
import { type Asked, asked, collected, loggedAt, settling } from './shared.js';

type Start = (pid: number, common: Common) => Operation<CaptureProgress, CaptureReport>;

/** What the command line decides for both verbs. */
interface Common extends Asked, Pick<CommonOptions, 'workDir' | 'logFile'> {
  readonly to: ImagesDirectory;
  readonly sync: boolean;
}

export async function runDump(invocation: Invocation, context: Context): Promise<number> {
  const found = collected('dump', invocation, context);
  const { displayStats, ...options } = found.options;
  const { absorb } = context.preferences;
  const start: Start = (pid, common) =>
    dump(pid, { ...options, ...common, ...loggedAt(found), ...(absorb === undefined ? {} : { absorb }) });
  const stays = options.leaveRunning === true ? 'running' : 'killed';
  const later = options.leaveStopped === true ? 'stopped' : stays;
  return runCapture({ start, found, later, verb: 'Dumped', displayStats: displayStats === true }, invocation, context);
}

export async function runPreDump(invocation: Invocation, context: Context): Promise<number> {
  const found = collected('preDump', invocation, context);
  const start: Start = (pid, common) => preDump(pid, { ...found.options, ...common, ...loggedAt(found) });
  return runCapture({ start, found, later: 'running', verb: 'Pre-dumped', displayStats: false }, invocation, context);
}

interface Capture {
  readonly start: Start;
  readonly found: Collected<'dump' | 'preDump'>;
  readonly later: 'killed' | 'running' | 'stopped';
  readonly verb: 'Dumped' | 'Pre-dumped';
  readonly displayStats: boolean;
}

async function runCapture(plan: Capture, { command }: Invocation, context: Context): Promise<number> {
  const { found, verb, later } = plan;
  const { tree = 0, imagesDir } = found.arguments;
  const place = await directories(imagesDir, found.options.workDir);
  const log = await openLogFile({
    word: command.word,
    workDir: place.workDir,
    logPath: found.logPath,
    level: found.options.logLevel,
    terminal: context.terminal,
  });
  try {
    const run = settling(command.word, () => plan.start(tree, common(place, log.name, context)));
    const report = await follow(run, context);
    await log.finish('done');
    if (plan.displayStats) await sayStatistics(report, context);
    if (context.preferences.json) context.terminal.printJson({ ...lasting(report, found), tree: later });
    else if (!context.preferences.quiet) context.terminal.say(captureSummary(verb, report, later));
    return EXIT.done;
  } catch (error) {
    await log.finish('failed');
    throw error;
  }
}

// A log that nobody asked for is gone after a success.
function lasting(report: CaptureReport, { logPath }: Collected<'dump' | 'preDump'>): Partial<CaptureReport> {
  const { logFile, ...others } = report;
  return logPath === undefined ? others : { ...others, logFile: resolve(report.workDir, logPath) };
}

function common(place: Directories, logFile: string, context: Context): Common {
  return {
    ...asked(context),
    // CRIU overwrites what is there; so does the command line, but as a whole and only when the new images are complete.
    to: imagesDirectory(place.imagesDir, { replace: true }),
    workDir: place.workDir,
    logFile,
    sync: context.preferences.sync,
  };
}

async function sayStatistics({ workDir }: CaptureReport, { terminal, preferences }: Context): Promise<void> {
  for (const line of dumpStatistics(await readDumpStats(workDir))) {
    if (preferences.json) terminal.say(line);
    else terminal.print(line);
  }
}
