// What a container has changed in its root filesystem: the upper layer of its overlay, as the engines write it down (containers.md B).
//
//   listed      Podman, CRI-O: a tar of what was added and changed, and deleted.files, a list of paths to remove afterwards
//   whiteouts   containerd: an OCI layer, in which ".wh.NAME" removes and ".wh..wh..opq" empties a folder
//
// Where Podman's own writer loses something we do not: it leaves out changed files that the host has not got, and lists a folder that was
// emptied and filled again as deleted, which removes the new content, too, when the list is applied after the tar. Here the list names
// what has gone from such a folder. What a tree looks like when the two are applied is the same: that of the container.

import { openBeneath } from '../../addon/beneath.js';
import type { Fd } from '../../addon/fd.js';
import { CheckpointError } from '../../errors/checkpoint-error.js';
import { openDirectory } from '../../images/staging.js';
import { markerOf, TreeEntries, type TreeEntry } from './entry.js';
import { type Found, readFolder } from './folder.js';
import { closeAll, type Layers, lookUp, namesBelow, openLayers } from './layers.js';
import type { Overlay } from './overlay.js';
import { isOpaque, isWhiteout, overlayXattr } from './whiteout.js';

export type DeletionForm = 'listed' | 'whiteouts';

export interface RootfsDiff {
  readonly entries: readonly TreeEntry[];
  /** Absolute paths in the container, ascending; of the form `listed`. */
  readonly deleted: readonly string[];
}

export interface DiffRequest {
  readonly overlay: Overlay;
  readonly form: DeletionForm;
  /** Of an absolute path in the container: the engine makes that anew. */
  readonly ignored: (path: string) => boolean;
}

/** Throws IO; FEATURE_MISSING for an overlay whose upper layer does not hold what it shows. */
export async function rootfsDiff(request: DiffRequest): Promise<RootfsDiff> {
  const { upper, lowers } = request.overlay;
  using top = await openDirectory(upper);
  const below = await openLayers(lowers);
  try {
    const walk = new Walk(request);
    await walk.visit({ folder: top, layers: below, path: '' });
    return { entries: walk.entries, deleted: [...walk.deleted].sort(byBytes) };
  } finally {
    closeAll(below);
  }
}

interface Place {
  readonly folder: Fd;
  /** Of the image, as far as they show here. */
  readonly layers: Layers;
  /** Without a slash in front, with one behind; '' is the root. */
  readonly path: string;
}

class Walk {
  readonly entries: TreeEntry[] = [];
  readonly deleted: string[] = [];
  readonly #request: DiffRequest;
  readonly #made = new TreeEntries();

  constructor(request: DiffRequest) {
    this.#request = request;
  }

  async visit(place: Place): Promise<void> {
    const { upper, merged } = this.#request.overlay;
    for (const found of await readFolder(place.folder, `${upper}/${place.path}`)) {
      const path = `${place.path}${found.name}`;
      if (isWhiteout(found)) this.#remove(found, path);
      else if (found.kind === 'directory') await this.#folder(found, place, path);
      else {
        if (merged === undefined && overlayXattr(found, 'metacopy') !== undefined) throw notHeld(path, 'metacopy');
        this.#add(found, path);
      }
    }
  }

  async #folder(found: Found, place: Place, path: string): Promise<void> {
    if (overlayXattr(found, 'redirect') !== undefined) throw notHeld(path, 'redirect_dir');
    const before = await lookUp(place.layers, found.name);
    const opaque = isOpaque(found);
    try {
      const listed = this.#request.form === 'listed';
      if (!listed || before.status === undefined || differs(found, before.status)) this.#add(found, path);
      using folder = openBeneath(place.folder, found.name, 'folder');
      if (opaque && listed) await this.#emptied(folder, before.folders, path);
      if (opaque && !listed) this.entries.push(markerOf(`${path}/.wh..wh..opq`, found));
      await this.visit({ folder, layers: opaque ? [] : before.folders, path: `${path}/` });
    } finally {
      closeAll(before.folders);
    }
  }

  // What the image has in a folder that hides it.
  async #emptied(folder: Fd, layers: Layers, path: string): Promise<void> {
    const present = new Set((await readFolder(folder, path)).filter((one) => !isWhiteout(one)).map(({ name }) => name));
    for (const name of await namesBelow(layers, path)) if (!present.has(name)) this.#list(`${path}/${name}`);
  }

  #add(found: Found, path: string): void {
    if (this.#request.ignored(`/${path}`)) return;
    const entry = this.#made.of(found, path, path);
    if (entry !== undefined) this.entries.push(entry);
  }

  #remove(found: Found, path: string): void {
    const cut = path.lastIndexOf('/') + 1;
    if (this.#request.form === 'listed') this.#list(path);
    else if (!this.#request.ignored(`/${path}`))
      this.entries.push(markerOf(`${path.slice(0, cut)}.wh.${path.slice(cut)}`, found));
  }

  #list(path: string): void {
    if (!this.#request.ignored(`/${path}`)) this.deleted.push(`/${path}`);
  }
}

// Podman carries no changes of a folder itself; unpacked over the old one it changes just that.
function differs({ status }: Found, before: Found['status']): boolean {
  return status.mode !== before.mode || status.uid !== before.uid || status.gid !== before.gid;
}

function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

function notHeld(path: string, feature: string): CheckpointError<'FEATURE_MISSING'> {
  const message = `Cannot archive "/${path}": the overlay is mounted with ${feature}, and its upper layer does not hold what it shows`;
  return new CheckpointError('FEATURE_MISSING', message, { feature });
}
