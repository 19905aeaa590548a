// What the two ends of a migration say of a container besides its processes: its bundle, and files that come along. Foreign data, checked
// here as messages.ts does with the rest.

import { fieldsOf, unexpected } from './fields.js';

/** Files that may have to move. */
export interface MovedTree {
  /** In the bundle at the destination, or in its folder `volumes`. */
  readonly name: string;
  readonly kind: 'rootfs' | 'volume';
  /** Where the container sees it; the bind mount whose source it is. */
  readonly destination: string;
  /** Bounds all that will come of it. */
  readonly maxBytes: number;
}

export interface MovedContainer {
  readonly id: string;
  readonly runtime: 'runc' | 'crun';
  /** config.json of its bundle. */
  readonly config: string;
  readonly trees: readonly MovedTree[];
}

/** A piece of a tree: of a tar archive of what is new in it, or of paths that are gone (each ended by a zero byte). */
export interface TreePiece {
  readonly type: 'tree';
  /** In the order of `hello`. */
  readonly index: number;
  readonly kind: 'files' | 'removed';
  /** The last one: now all of it is put in place. */
  readonly end: boolean;
}

/** What runtimes take for an id. */
export const ID_PATTERN = /^[A-Za-z0-9_][A-Za-z0-9_.+-]{0,1023}$/;
const NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const PATH = /^\/[^\0]{0,4095}$/;
const MAX_CONFIG = 2 ** 19;
const MAX_TREES = 64;

/** Throws PROTOCOL. */
export function parseMovedContainer(value: unknown): MovedContainer | undefined {
  if (value === undefined) return undefined;
  const field = fieldOf(value);
  const [id, runtime, config, trees] = ['id', 'runtime', 'config', 'trees'].map(field);
  if (typeof id !== 'string' || !ID_PATTERN.test(id)) throw unexpected(id, 'the id of a container');
  if (runtime !== 'runc' && runtime !== 'crun') throw unexpected(runtime, 'runc or crun');
  if (typeof config !== 'string' || config.length > MAX_CONFIG) throw unexpected(config, 'a config.json');
  if (!Array.isArray(trees) || trees.length > MAX_TREES) throw unexpected(trees, 'trees of files');
  const moved = trees.map(treeOf);
  if (new Set(moved.map(({ name }) => name)).size < moved.length) throw unexpected(trees, 'trees by different names');
  return { id, runtime, config, trees: moved };
}

/** Throws PROTOCOL. */
export function parseTreePiece(value: unknown): TreePiece {
  const field = fieldOf(value);
  const [index, kind, end] = ['index', 'kind', 'end'].map(field);
  if (typeof index !== 'number' || !Number.isInteger(index) || index < 0 || index >= MAX_TREES)
    throw unexpected(index, 'the number of a tree');
  if (kind !== 'files' && kind !== 'removed') throw unexpected(kind, 'files or removed');
  return { type: 'tree', index, kind, end: end === true };
}

function treeOf(value: unknown): MovedTree {
  const field = fieldOf(value);
  const [name, kind, destination, maxBytes] = ['name', 'kind', 'destination', 'maxBytes'].map(field);
  if (typeof name !== 'string' || !NAME.test(name)) throw unexpected(name, 'the name of a tree');
  if (kind !== 'rootfs' && kind !== 'volume') throw unexpected(kind, 'rootfs or volume');
  if (typeof destination !== 'string' || !PATH.test(destination)) throw unexpected(destination, 'an absolute path');
  if (typeof maxBytes !== 'number' || !Number.isSafeInteger(maxBytes) || maxBytes < 0)
    throw unexpected(maxBytes, 'a number of bytes');
  return { name, kind, destination, maxBytes };
}

function fieldOf(value: unknown): (name: string) => unknown {
  const fields = fieldsOf(value);
  return (name) => fields[name];
}
