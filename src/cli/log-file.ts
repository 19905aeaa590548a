// CRIU's log as the command line promises it: `-o PATH` is a path from the work directory, while over RPC it is a bare name there;
// without `-o` CRIU prints on stderr and leaves no file. Our verbs always have a file, because failures are explained from it.

import { open, readFile, rm, symlink } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { CheckpointError } from '../errors/checkpoint-error.js';
import { parseLogLine } from '../errors/log-line.js';
import type { Terminal } from './terminal.js';

export interface LogFile {
  /** For the verb: a bare name in the work directory. */
  readonly name: string;
  /**
   * After the verb: prints what CRIU would have printed, and removes what must not stay. A log that nobody asked for stays when the
   * verb failed.
   */
  finish(outcome: 'done' | 'failed'): Promise<void>;
}

export interface LogRequest {
  readonly word: string;
  readonly workDir: string;
  readonly logPath: string | undefined;
  /** As given with -v; undefined when it was not. */
  readonly level: number | undefined;
  readonly terminal: Terminal;
}

// CRIU's own permissions of a log: it may show memory.
const LOG_MODE = 0o600;
/** CRIU's levels: by default it prints errors and warnings; from 3 on the user wants to see the whole log. */
const WARNINGS = 2;
const INFORMATION = 3;

/** Throws IO when the path cannot be written, before anything is stopped. */
export async function openLogFile(request: LogRequest): Promise<LogFile> {
  const { logPath } = request;
  if (logPath === undefined) return printedLog(request);
  if (!logPath.includes('/')) return { name: logPath, finish: async () => {} };
  return linkedLog(request, resolve(request.workDir, logPath));
}

// Unique, so that a log that lies there from another run is not touched.
function privateName(word: string): string {
  return `frazil-${word}-${process.pid}.log`;
}

function printedLog({ word, workDir, level = WARNINGS, terminal }: LogRequest): LogFile {
  const name = privateName(word);
  const path = join(workDir, name);
  return {
    name,
    async finish(outcome) {
      const log = await textOf(path);
      if (level >= INFORMATION && log !== '') terminal.say(log.trimEnd());
      else if (level >= WARNINGS && outcome === 'done') sayWarnings(log, terminal);
      if (outcome === 'done') await rm(path, { force: true });
    },
  };
}

// CRIU would set TCP options on the page socket, which is an AF_UNIX one of ours.
const OF_OUR_SOCKET = /page-xfer: Unable to set TCP_/;

// What CRIU found worth a warning although it went well. The errors that it prints then (a limit that it could not raise) mean nothing.
// It warns once per task; here one line stands for all that differ in numbers only.
function sayWarnings(log: string, terminal: Terminal): void {
  const kinds = new Map<string, { readonly line: string; count: number }>();
  for (const [index, line] of log.split('\n').entries()) {
    if (parseLogLine(line, index + 1).level !== 'warning' || OF_OUR_SOCKET.test(line)) continue;
    const shown = line.replace(/^\([\d.]+\) */, '');
    const kind = shown.replace(/\d+/g, 'N');
    const seen = kinds.get(kind) ?? { line: shown, count: 0 };
    seen.count += 1;
    kinds.set(kind, seen);
  }
  for (const { line, count } of kinds.values())
    terminal.say(count === 1 ? line : `${line} (and ${count - 1} more like it)`);
}

// CRIU writes through a link, so the log is where the user wants it from its first line on.
async function linkedLog({ word, workDir }: LogRequest, target: string): Promise<LogFile> {
  await makeWritable(target);
  const name = privateName(word);
  const link = join(workDir, name);
  await symlink(target, link);
  return { name, finish: () => rm(link, { force: true }) };
}

async function makeWritable(path: string): Promise<void> {
  try {
    await (await open(path, 'w', LOG_MODE)).close();
  } catch (cause) {
    const errno = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown';
    const message = `Cannot write the log "${path}": ${errno}. Correct --log-file`;
    throw new CheckpointError('IO', message, { path, errno }, { cause });
  }
}

async function textOf(path: string): Promise<string> {
  // A verb that failed before CRIU opened its log has none.
  return readFile(path, 'utf8').catch(() => '');
}
