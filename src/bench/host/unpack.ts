/** Takes an archive apart by GNU tar, for the check of its bytes: whoever wrote it, it must be one that everybody reads. */
import { execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { archiveIn } from '../peers/archive.js';
import type { DumpJob } from '../peers/peer.js';
import { RunFailure } from '../run.js';

/** The folder with the images. */
export async function unpack(job: DumpJob): Promise<string> {
  const out = join(job.imagesDir, 'unpacked');
  await unpackTar(archiveIn(job), out);
  return join(out, 'checkpoint');
}

/** Into a folder that is made. */
export async function unpackTar(archive: string, out: string): Promise<void> {
  await mkdir(out);
  await promisify(execFile)('tar', ['-xf', archive, '-C', out]).catch((cause: unknown) => {
    throw new RunFailure('GNU tar cannot read the archive', { log: String(cause), cause });
  });
}
