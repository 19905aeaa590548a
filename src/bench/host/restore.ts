/** The proof that a directory is a checkpoint: plain `criu restore`, not Frazil's, whoever wrote it. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { DumpJob } from '../peers/peer.js';
import { RunFailure } from '../run.js';

/** Resolves when the tree runs again; its pids must be free. The tree is then nobody's child: the target object ends it. */
export async function restoreTree(
  { host, imagesDir, workDir }: DumpJob,
  signal: AbortSignal | undefined,
): Promise<void> {
  const argv = ['restore', '-d', '-D', imagesDir, '-W', workDir, '-o', 'restore.log'];
  try {
    await promisify(execFile)(host.criuPath, argv, signal === undefined ? {} : { signal });
  } catch (cause) {
    signal?.throwIfAborted();
    const log = await readFile(join(workDir, 'restore.log'), 'utf8').catch(() => '');
    throw new RunFailure('criu restore refused the images', { log: log.split('\n').slice(-6).join('\n'), cause });
  }
}
