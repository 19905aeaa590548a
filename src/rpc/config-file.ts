// The private config file by which a request reaches options that only CRIU's command line has. CRIU applies it after the request.

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CheckpointError } from '../errors/checkpoint-error.js';

export interface ConfigFile extends AsyncDisposable {
  /** For `config_file`; absent when there is nothing to say. */
  readonly path?: string;
}

export interface ConfigSource {
  /** The caller's own file, copied in front of `configLines`. */
  readonly config?: string;
  readonly configLines: readonly string[];
}

/**
 * Writes the file, 0600 in a directory of its own, because it can name scripts that CRIU runs as root. Dispose it when CRIU has
 * answered. Throws IO when the caller's file cannot be read: CRIU would ignore it without a word.
 */
export async function writeConfigFile({ config, configLines }: ConfigSource): Promise<ConfigFile> {
  if (config === undefined && configLines.length === 0) return { async [Symbol.asyncDispose]() {} };
  const given = config === undefined ? '' : await readGiven(config);
  const { openScratch } = await import('../images/scratch.js');
  const scratch = await openScratch('config');
  const path = join(scratch.path, 'criu.conf');
  await writeFile(path, `${[given.trimEnd(), ...configLines].filter((line) => line !== '').join('\n')}\n`, {
    mode: 0o600,
  });
  return { path, [Symbol.asyncDispose]: () => scratch[Symbol.asyncDispose]() };
}

async function readGiven(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    const errno = (cause as NodeJS.ErrnoException).code ?? 'unknown';
    const detail = { path, errno, syscall: 'open' };
    throw new CheckpointError('IO', `Cannot use config file "${path}": it cannot be read (${errno})`, detail, {
      cause,
    });
  }
}
