// What can be known before the first page: whether this host could take the tree at all.

import type { Stats } from 'node:fs';
import { access, readdir, stat, writeFile } from 'node:fs/promises';
import { arch, release } from 'node:os';
import { join } from 'node:path';
import { cpuinfoCheck, version } from '../../criu/ask.js';
import { CheckpointError } from '../../errors/checkpoint-error.js';
import { openScratch } from '../../images/scratch.js';
import { availableMemory } from '../../pages/estimate.js';
import { mapFew } from '../../pages/few.js';
import { mebibytes } from '../../pages/store.js';
import type { NeededFile } from '../wire/facts.js';
import type { Hello } from '../wire/messages.js';

export interface PreflightOptions {
  readonly criu: string | undefined;
  readonly signal: AbortSignal;
}

/** What is wrong, as a clause; nothing when the tree may come. Rejects with CRIU_MISSING, CRIU_DIED or ABORTED. */
export async function preflight(hello: Hello, options: PreflightOptions): Promise<string | undefined> {
  const { machine, kernel, bytes, tasks, facts } = hello;
  if (machine !== arch()) return `the tree is of a ${machine} machine, this one is ${arch()}`;
  const free = await availableMemory();
  // Its images lie in memory, and the tree itself beside them.
  if (bytes * COPIES > free) return `${mebibytes(free)} of memory are free, ${mebibytes(bytes * COPIES)} are needed`;
  const taken = (await mapFew(tasks, isTaken)).flatMap((pid) => (pid === undefined ? [] : [pid]));
  if (taken.length > 0) return `pid ${taken.join(', ')} is in use here`;
  const lacking = missing(facts.namespaces, await readdir('/proc/self/ns'));
  if (lacking.length > 0)
    return `the kernel here (${release()}) has no ${lacking.join(', ')} namespaces, the one of the source (${kernel}) has`;
  const wrong = (await mapFew(facts.files, differs)).find((clause) => clause !== undefined);
  if (wrong !== undefined) return wrong;
  return (await compareCriu(facts.criu, options)) ?? compareProcessor(facts.cpuinfo, options);
}

const COPIES = 2;

async function isTaken(pid: number): Promise<number | undefined> {
  return access(`/proc/${pid}`).then(
    () => pid,
    () => undefined,
  );
}

// CRIU puts a restored tree into a time namespace where the kernel of the dump had them, and so it is with the others.
function missing(theirs: readonly string[], ours: readonly string[]): readonly string[] {
  return theirs.filter((kind) => !kind.endsWith('_for_children') && !ours.includes(kind));
}

// CRIU would say so, too, when the tree stands still.
async function differs({ path, kind, size }: NeededFile): Promise<string | undefined> {
  const status = await stat(path).catch(() => undefined);
  if (status === undefined) return `the tree needs the ${kind} "${path}", which is not here`;
  if (!is[kind](status)) return `"${path}" is not a ${kind} here, as it is where the tree runs`;
  if (size === undefined || status.size === size) return undefined;
  return `"${path}" has ${status.size} bytes here, and ${size} where the tree runs`;
}

const is: Readonly<Record<NeededFile['kind'], (status: Stats) => boolean>> = {
  file: (status) => status.isFile(),
  directory: (status) => status.isDirectory(),
  fifo: (status) => status.isFIFO(),
};

// An older CRIU may take the images of a newer one for something else: 4.1 reads the pagemaps of 4.2 as empty.
async function compareCriu(theirs: string, { criu, signal }: PreflightOptions): Promise<string | undefined> {
  const ours = await version({ signal, ...(criu === undefined ? {} : { criu }) });
  const [major = 0, minor = 0] = theirs.split('.').map(Number);
  const older = ours.major < major || (ours.major === major && ours.minor < minor);
  return older ? `CRIU is ${ours.text} here, older than the ${theirs} of the source` : undefined;
}

async function compareProcessor(
  cpuinfo: string | undefined,
  { criu, signal }: PreflightOptions,
): Promise<string | undefined> {
  if (cpuinfo === undefined) return undefined;
  await using scratch = await openScratch('cpuinfo');
  const imagesDir = scratch.path;
  try {
    await writeFile(join(imagesDir, 'cpuinfo.img'), Buffer.from(cpuinfo, 'base64'), { mode: 0o600 });
    await cpuinfoCheck({ imagesDir, signal, ...(criu === undefined ? {} : { criu }) });
    return undefined;
  } catch (error) {
    if (!CheckpointError.is(error, 'REQUEST_REFUSED')) throw error;
    const [cause] = error.detail.causes;
    return `the processor here is not like the one of the source: ${cause?.reason ?? error.detail.criuMessage ?? 'CRIU refused it'}`;
  }
}
