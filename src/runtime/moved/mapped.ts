// Files that a container has mapped so that it can write to them: their contents change without a trace in their inodes.

import { readFile } from 'node:fs/promises';
import { treeOf } from '../../pages/estimate.js';
import { mapFew } from '../../pages/few.js';

// proc(5), /proc/PID/maps: addresses, rights (writable and shared), offset, device, inode, path.
const SHARED = /^\S+ .w.s \S+ \S+ [1-9]\d* +(?<path>\/.*)$/gm;

/** Absolute paths, as the container has them. */
export async function mappedToWrite(root: number): Promise<readonly string[]> {
  const maps = await mapFew(await treeOf(root), (pid) => readFile(`/proc/${pid}/maps`, 'utf8').catch(() => ''));
  return [...new Set(maps.flatMap((text) => [...text.matchAll(SHARED)].map(({ groups }) => groups?.['path'] ?? '')))];
}
