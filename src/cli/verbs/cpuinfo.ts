// cpuinfo dump and check.

import { cpuinfoCheck, cpuinfoDump } from '../../criu/ask.js';
import type { Context, Invocation } from '../context.js';
import { EXIT } from '../exit-code.js';
import { openLogFile } from '../log-file.js';
import { directories } from './directories.js';
import { asked, collected, loggedAt } from './shared.js';

export async function runCpuinfo(invocation: Invocation, context: Context): Promise<number> {
  const { terminal, preferences } = context;
  const [action] = invocation.command.operands;
  const found = collected('cpuinfo', invocation, context);
  const { logPath, options } = found;
  const { imagesDir, workDir } = await directories(found.arguments.imagesDir, options.workDir);
  const log = await openLogFile({ word: 'cpuinfo', workDir, logPath, level: options.logLevel, terminal });
  const call = { ...options, ...loggedAt(found), ...asked(context), imagesDir, workDir, logFile: log.name };
  try {
    await (action === 'dump' ? cpuinfoDump(call) : cpuinfoCheck(call));
    await log.finish('done');
  } catch (error) {
    await log.finish('failed');
    throw error;
  }
  if (preferences.json) terminal.printJson({ action, imagesDir });
  return EXIT.done;
}
