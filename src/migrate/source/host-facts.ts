// What the destination compares with itself before the first page: CRIU, the processor, and the files that the tree has mapped.

import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cpuinfoDump, version } from '../../criu/ask.js';
import { mapFew } from '../../pages/few.js';
import type { HostFacts, MappedFile } from '../wire/messages.js';

export interface Compared {
  /** Path of the program. */
  readonly criu: string;
  /** Of which files are asked for: in our mount namespace. */
  readonly pids: readonly number[];
  readonly signal: AbortSignal;
}

/** Rejects with CRIU_MISSING, CRIU_DIED or ABORTED. */
export async function hostFacts({ criu, pids, signal }: Compared): Promise<HostFacts> {
  const [{ text }, cpuinfo, files] = await Promise.all([
    version({ criu, signal }),
    cpuinfoOf(criu, signal),
    mappedFiles(pids),
  ]);
  return { criu: text, cpuinfo, files };
}

async function cpuinfoOf(criu: string, signal: AbortSignal): Promise<string | undefined> {
  const imagesDir = await mkdtemp(join(tmpdir(), 'frazil-cpuinfo-'));
  try {
    await cpuinfoDump({ imagesDir, criu, signal });
    return (await readFile(join(imagesDir, 'cpuinfo.img'))).toString('base64');
  } catch {
    // Nothing to compare: the restore will tell.
    return undefined;
  } finally {
    await rm(imagesDir, { recursive: true, force: true });
  }
}

// More than any program maps; what is left out the restore finds out.
const MAX_FILES = 2048;
// proc(5), /proc/PID/maps: addresses, rights, offset, device, inode, path; one that is deleted says so behind its path.
const MAPPED = /^\S+ \S+ \S+ \S+ [1-9]\d* +(?<path>\/.*)$/gm;

/** Regular files that have a name. */
async function mappedFiles(pids: readonly number[]): Promise<readonly MappedFile[]> {
  const maps = await mapFew(pids, (pid) => readFile(`/proc/${pid}/maps`, 'utf8').catch(() => ''));
  const paths = new Set(maps.flatMap((text) => [...text.matchAll(MAPPED)].map(({ groups }) => groups?.['path'] ?? '')));
  const files = await mapFew([...paths].slice(0, MAX_FILES), sizeOf);
  return files.filter((file) => file !== undefined);
}

async function sizeOf(path: string): Promise<MappedFile | undefined> {
  const status = await stat(path).catch(() => undefined);
  return status?.isFile() === true ? { path, size: status.size } : undefined;
}
