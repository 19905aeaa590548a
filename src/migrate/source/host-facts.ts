// What the destination compares with itself before the first page: CRIU, the kernel, the processor, and the files that the tree needs.

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cpuinfoDump, version } from '../../criu/ask.js';
import { openScratch } from '../../images/scratch.js';
import type { HostFacts } from '../wire/facts.js';
import { neededFiles } from './needed-files.js';

export interface Compared {
  /** Path of the program. */
  readonly criu: string;
  /** All tasks of the tree. */
  readonly pids: readonly number[];
  readonly signal: AbortSignal;
}

/** Rejects with CRIU_MISSING, CRIU_DIED or ABORTED. */
export async function hostFacts({ criu, pids, signal }: Compared): Promise<HostFacts> {
  const [{ text }, cpuinfo, namespaces, files] = await Promise.all([
    version({ criu, signal }),
    cpuinfoOf(criu, signal),
    readdir('/proc/self/ns'),
    neededFiles(pids),
  ]);
  return { criu: text, cpuinfo, namespaces, files };
}

async function cpuinfoOf(criu: string, signal: AbortSignal): Promise<string | undefined> {
  await using scratch = await openScratch('cpuinfo');
  const imagesDir = scratch.path;
  try {
    await cpuinfoDump({ imagesDir, criu, signal });
    return (await readFile(join(imagesDir, 'cpuinfo.img'))).toString('base64');
  } catch {
    // Nothing to compare: the restore will tell.
    return undefined;
  }
}
