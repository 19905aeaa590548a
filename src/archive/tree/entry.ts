// A member of an archive within an archive: rootfs-diff.tar, volumes/NAME.tar, devshm-checkpoint.tar. What it says is what Podman's writer
// (containers/storage, Go's archive/tar) says: numeric owners, whole seconds, hard links, and of the extended attributes those below.

import type { Stats } from 'node:fs';
import { type HeadKind, headOf, paddingOf } from '../tar/head.js';
import type { Found } from './folder.js';

export interface TreeEntry {
  readonly name: string;
  readonly kind: HeadKind;
  /** Of its content. */
  readonly bytes: number;
  readonly target?: string;
  readonly status: Pick<Stats, 'mode' | 'uid' | 'gid' | 'mtime' | 'rdev'>;
  readonly records: Readonly<Record<string, Uint8Array>>;
  /** Where the content lies, below the folder that the tree is read from. */
  readonly path: string;
}

const CARRIED = /^(security\.(capability|ima)$|user\.)/;

/** Remembers the files that it has seen, for hard links. */
export class TreeEntries {
  readonly #seen = new Map<string, string>();

  /** Nothing for a socket, which a tar cannot have: CRIU makes it anew. */
  of(found: Found, name: string, path: string): TreeEntry | undefined {
    const { kind, status, target, xattrs } = found;
    if (kind === 'socket') return undefined;
    const first = this.#first(found, name);
    const common = { name, status, records: recordsOf(xattrs), path };
    if (first !== undefined) return { ...common, kind: 'hard-link', bytes: 0, target: first };
    const bytes = kind === 'file' ? status.size : 0;
    return { ...common, kind, bytes, ...(target === undefined ? {} : { target }) };
  }

  // A folder has as many links as it has folders.
  #first({ kind, status }: Found, name: string): string | undefined {
    if (kind === 'directory' || status.nlink < 2) return undefined;
    const key = `${status.dev}:${status.ino}`;
    const first = this.#seen.get(key);
    if (first === undefined) this.#seen.set(key, name);
    return first;
  }
}

/** An entry that says only that something of that name is not there: a whiteout of an OCI layer. */
export function markerOf(name: string, { status }: Pick<Found, 'status'>): TreeEntry {
  const { uid, gid, mtime } = status;
  return { name, kind: 'file', bytes: 0, status: { mode: 0o600, uid, gid, mtime, rdev: 0 }, records: {}, path: '' };
}

function recordsOf(xattrs: ReadonlyMap<string, Uint8Array>): Readonly<Record<string, Uint8Array>> {
  const carried = [...xattrs].filter(([name]) => CARRIED.test(name) && !name.startsWith('user.overlay.'));
  return Object.fromEntries(carried.map(([name, value]) => [`SCHILY.xattr.${name}`, value]));
}

export function headOfEntry({ name, kind, bytes, target, status, records }: TreeEntry): Buffer {
  const { mode, uid, gid, mtime, rdev } = status;
  const isDevice = kind === 'character-device' || kind === 'block-device';
  return headOf({
    name,
    kind,
    bytes,
    mtime,
    mode: mode & 0o7777,
    uid,
    gid,
    records,
    ...(target === undefined ? {} : { target }),
    ...(isDevice ? { device: deviceOf(rdev) } : {}),
  });
}

/** Of the archive within, with what ends it. */
export function bytesOfEntry(entry: TreeEntry): number {
  return headOfEntry(entry).length + entry.bytes + paddingOf(entry.bytes);
}

// As glibc packs the two into one (sys/sysmacros.h), less the upper halves that no device uses.
function deviceOf(rdev: number): { readonly major: number; readonly minor: number } {
  return { major: (rdev >>> 8) & 0xfff, minor: (rdev & 0xff) | ((rdev >>> 12) & 0xfff00) };
}
