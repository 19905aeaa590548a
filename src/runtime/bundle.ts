// What a runtime is given as files: the bundle, and the process of an exec.

import { constants } from 'node:fs';
import { access, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CheckpointError } from '../errors/checkpoint-error.js';
import { openScratch } from '../images/scratch.js';
import type { CreateOptions, OciDocument } from './options.js';

/**
 * Writes `spec` where there is one. Throws IO. Looked at here, because not every runtime has opened its log when it finds that there is no
 * specification.
 */
export async function prepareBundle({ bundle, spec }: Pick<CreateOptions, 'bundle' | 'spec'>): Promise<void> {
  const path = join(bundle, 'config.json');
  try {
    if (spec === undefined) await access(path, constants.R_OK);
    else await writeFile(path, JSON.stringify(spec), { mode: 0o600 });
  } catch (cause) {
    const { code: errno = 'unknown', syscall = 'open' } = cause as NodeJS.ErrnoException;
    throw new CheckpointError(
      'IO',
      `Cannot use bundle "${bundle}": "${path}" fails with ${errno}`,
      { path, syscall, errno },
      { cause },
    );
  }
}

/** Gives `use` the path of a file with the document, 0600, which is gone afterwards. */
export async function withDocument<T>(document: OciDocument, use: (path: string) => Promise<T>): Promise<T> {
  await using scratch = await openScratch('process');
  const path = join(scratch.path, 'process.json');
  await writeFile(path, JSON.stringify(document), { mode: 0o600 });
  return await use(path);
}
