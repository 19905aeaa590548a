// What can be known before the first page: whether this host could take the tree at all.

import { access } from 'node:fs/promises';
import { arch } from 'node:os';
import { availableMemory } from '../../pages/estimate.js';
import { mapFew } from '../../pages/few.js';
import { mebibytes } from '../../pages/store.js';
import type { ToDestination } from '../wire/messages.js';

/** What is wrong, as a clause; nothing when the tree may come. */
export async function preflight(hello: Extract<ToDestination, { type: 'hello' }>): Promise<string | undefined> {
  const { machine, bytes, tasks } = hello;
  if (machine !== arch()) return `the tree is of a ${machine} machine, this one is ${arch()}`;
  const free = await availableMemory();
  // Its images lie in memory, and the tree itself beside them.
  if (bytes * COPIES > free) return `${mebibytes(free)} of memory are free, ${mebibytes(bytes * COPIES)} are needed`;
  const taken = (await mapFew(tasks, isTaken)).flatMap((pid) => (pid === undefined ? [] : [pid]));
  return taken.length === 0 ? undefined : `pid ${taken.join(', ')} is in use here`;
}

const COPIES = 2;

async function isTaken(pid: number): Promise<number | undefined> {
  return access(`/proc/${pid}`).then(
    () => pid,
    () => undefined,
  );
}
