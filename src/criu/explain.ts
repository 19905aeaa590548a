// explain() for a person with a path: the log of a directory or of a file. The verbs use the same rules through refused().

import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { CheckpointError } from '../errors/checkpoint-error.js';
import { type Explanation, explain } from '../errors/explain.js';

export interface LogExplanation extends Explanation {
  /** The file that was read. */
  readonly logFile: string;
}

/** Newest first when a directory holds several, because a restore's log lies beside the dump's. */
const LOG_NAME = /\.log$/;

/**
 * Explains a log file, or the newest *.log in a directory such as an images directory.
 * Throws IO when there is none or it cannot be read.
 */
export async function explainPath(path: string): Promise<LogExplanation> {
  try {
    const logFile = (await stat(path)).isDirectory() ? await newestLog(path) : path;
    return { logFile, ...explain(await readFile(logFile, 'utf8')) };
  } catch (cause) {
    if (CheckpointError.is(cause)) throw cause;
    const errno = errnoOf(cause);
    throw new CheckpointError('IO', `Cannot read the log "${path}": ${errno}`, { path, errno }, { cause });
  }
}

async function newestLog(folder: string): Promise<string> {
  const names = (await readdir(folder)).filter((name) => LOG_NAME.test(name));
  const logs = await Promise.all(
    names.map(async (name) => ({ path: join(folder, name), at: (await stat(join(folder, name))).mtimeMs })),
  );
  const [newest] = logs.sort((a, b) => b.at - a.at);
  if (newest === undefined) {
    throw new CheckpointError('IO', `Cannot explain "${folder}": it holds no *.log`, { path: folder, errno: 'ENOENT' });
  }
  return newest.path;
}

function errnoOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : 'an unknown error';
}
