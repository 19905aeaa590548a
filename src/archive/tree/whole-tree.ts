// A folder with everything in it, as Podman packs volumes and /dev/shm: "./" and all below it.

import type { Fd } from '../../addon/fd.js';
import { TreeEntries, type TreeEntry } from './entry.js';
import { lookAt, openFolder, readFolder } from './folder.js';

/** `path` is for messages. Throws IO. */
export async function wholeTree(root: Fd, path: string): Promise<readonly TreeEntry[]> {
  const entries = new TreeEntries();
  const all: TreeEntry[] = [];
  const self = await lookAt(root, '.');
  const top = self && entries.of(self, '.', '.');
  if (top !== undefined) all.push(top);
  const visit = async (folder: Fd, below: string): Promise<void> => {
    for (const found of await readFolder(folder, `${path}/${below}`)) {
      const name = `${below}${found.name}`;
      const entry = entries.of(found, `./${name}`, name);
      if (entry !== undefined) all.push(entry);
      if (found.kind !== 'directory') continue;
      using inner = openFolder(folder, found.name);
      if (inner !== undefined) await visit(inner, `${name}/`);
    }
  };
  await visit(root, '');
  return all;
}
