// What an engine's archive has of files beside the images, packed on the way into it: rootfs-diff.tar and deleted.files, volumes/NAME.tar,
// devshm-checkpoint.tar.

import type { Fd } from '../../addon/fd.js';
import { Held } from '../../images/held.js';
import { openDirectory } from '../../images/staging.js';
import type { ProfileName } from '../profiles.js';
import { END_BYTES } from '../tar/head.js';
import { bytesOfEntry, type TreeEntry } from './entry.js';
import { isIgnored } from './ignored.js';
import { overlayAt } from './overlay.js';
import { rootfsDiff } from './rootfs-diff.js';
import { wholeTree } from './whole-tree.js';

/** An archive within the archive. */
export interface TreeMember {
  readonly kind: 'tree';
  readonly name: string;
  /** Of the archive within, with its end. */
  readonly bytes: number;
  /** Where its contents lie. */
  readonly folder: Fd;
  readonly path: string;
  readonly entries: readonly TreeEntry[];
}

export interface TreesRequest {
  readonly profile: ProfileName;
  /** The mount point of an overlay, or its options: "lowerdir=A:B,upperdir=C". */
  readonly rootfs: string | undefined;
  readonly volumes: readonly Volume[];
  /** The folder that was mounted at /dev/shm. */
  readonly shm: string | undefined;
  /** config.json of the container, when the archive has one: what is mounted is not of the root filesystem. */
  readonly spec: string | undefined;
}

export interface Volume {
  readonly name: string;
  readonly path: string;
}

export interface Trees extends AsyncDisposable {
  readonly members: readonly TreeMember[];
  /** Absolute paths that the container has removed from its root filesystem. */
  readonly deleted: readonly string[];
}

/** Reads the names, not the contents. Throws IO, FEATURE_MISSING, RangeError. */
export async function openTrees({ profile, rootfs, volumes, shm, spec }: TreesRequest): Promise<Trees> {
  await using held = new Held();
  const members: TreeMember[] = [];
  let deleted: readonly string[] = [];
  if (rootfs !== undefined) {
    const overlay = await overlayAt(rootfs);
    const form = profile === 'containerd' ? 'whiteouts' : 'listed';
    const diff = await rootfsDiff({ overlay, form, ignored: isIgnored(profile, spec) });
    const path = overlay.merged ?? overlay.upper;
    const folder = held.use(await openDirectory(path));
    members.push(memberOf('rootfs-diff.tar', diff.entries, { folder, path }));
    deleted = diff.deleted;
  }
  const whole = volumes.map(({ name, path }) => ({ name: `volumes/${name}.tar`, path }));
  for (const { name, path } of [...(shm === undefined ? [] : [{ name: SHM, path: shm }]), ...whole]) {
    const folder = held.use(await openDirectory(path));
    members.push(memberOf(name, await wholeTree(folder, path), { folder, path }));
  }
  const kept = held.move();
  return { members, deleted, [Symbol.asyncDispose]: () => kept[Symbol.asyncDispose]() };
}

const SHM = 'devshm-checkpoint.tar';

function memberOf(
  name: string,
  entries: readonly TreeEntry[],
  { folder, path }: { readonly folder: Fd; readonly path: string },
): TreeMember {
  const bytes = entries.reduce((sum, entry) => sum + bytesOfEntry(entry), END_BYTES);
  return { kind: 'tree', name, bytes, folder, path, entries };
}
