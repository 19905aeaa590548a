// The layers of an image at one place of the tree: each the same folder in one of them, open, the topmost first. What the overlay would show
// of them is found out here, because the overlay itself shows what has become of it.

import type { Stats } from 'node:fs';
import type { Fd } from '../../addon/fd.js';
import { openDirectory } from '../../images/staging.js';
import { lookAt, openFolder, readFolder } from './folder.js';
import { isOpaque, isWhiteout } from './whiteout.js';

export type Layers = readonly Fd[];

/** The caller closes them. Throws IO. */
export async function openLayers(paths: readonly string[]): Promise<Layers> {
  const layers: Fd[] = [];
  try {
    for (const path of paths) layers.push(await openDirectory(path));
  } catch (reason) {
    closeAll(layers);
    throw reason;
  }
  return layers;
}

export function closeAll(layers: Layers): void {
  for (const layer of layers) layer.close();
}

export interface LookedUp {
  /** Of what the image shows under that name; nothing when it has nothing there. */
  readonly status: Stats | undefined;
  /** When that is a folder: its layers, which the caller closes. */
  readonly folders: Layers;
}

export async function lookUp(layers: Layers, name: string): Promise<LookedUp> {
  const folders: Fd[] = [];
  let status: Stats | undefined;
  for (const layer of layers) {
    const found = await lookAt(layer, name);
    if (found === undefined) continue;
    // A file hides folders below it, and a folder ends at a file.
    if (isWhiteout(found) || (status !== undefined && found.kind !== 'directory')) break;
    status ??= found.status;
    const folder = found.kind === 'directory' ? openFolder(layer, name) : undefined;
    if (folder === undefined) break;
    folders.push(folder);
    if (isOpaque(found)) break;
  }
  return { status, folders };
}

/** All that the image shows in this folder. */
export async function namesBelow(layers: Layers, path: string): Promise<readonly string[]> {
  const shown = new Map<string, boolean>();
  for (const layer of layers)
    for (const found of await readFolder(layer, path))
      if (!shown.has(found.name)) shown.set(found.name, !isWhiteout(found));
  return [...shown].filter(([, isThere]) => isThere).map(([name]) => name);
}
