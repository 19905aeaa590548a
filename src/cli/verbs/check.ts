// check: CRIU's own verdict about the kernel, in CRIU's words.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { check } from '../../criu/ask.js';
import type { Context, Invocation } from '../context.js';
import { EXIT } from '../exit-code.js';
import { openLogFile } from '../log-file.js';
import { directories } from './directories.js';
import { asked, collected, loggedAt } from './shared.js';

export async function runCheck(invocation: Invocation, context: Context): Promise<number> {
  const { terminal, preferences } = context;
  const found = collected('check', invocation, context);
  await using scratch = await workDirectory(found.logPath, found.options.workDir);
  const { logPath, options } = found;
  const log = await openLogFile({ word: 'check', workDir: scratch.path, logPath, level: options.logLevel, terminal });
  const call = { ...options, ...loggedAt(found), ...asked(context), workDir: scratch.path, logFile: log.name };
  try {
    await check(call);
    await log.finish('done');
  } catch (error) {
    await log.finish('failed');
    throw error;
  }
  if (preferences.json) terminal.printJson({ looksGood: true });
  else terminal.print('Looks good.');
  return EXIT.done;
}

interface WorkDirectory extends AsyncDisposable {
  readonly path: string;
}

// A check leaves nothing behind, and needs no place that can be written, unless a log was asked for.
async function workDirectory(logPath: string | undefined, workDir: string | undefined): Promise<WorkDirectory> {
  if (logPath !== undefined) {
    const place = await directories('.', workDir);
    return { path: place.workDir, async [Symbol.asyncDispose]() {} };
  }
  const path = await mkdtemp(join(tmpdir(), 'frazil-check-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}
