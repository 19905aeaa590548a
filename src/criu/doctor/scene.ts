import type { ChosenOptions, Finding } from './finding.js';
import type { SocketTable } from './sockets.js';
import type { Tree } from './tree.js';

/** Everything that a check of a tree may look at. Checks are pure functions of it. */
export interface Scene {
  readonly tree: Tree;
  readonly options: ChosenOptions;
  readonly sockets: SocketTable;
  /** Sockets held outside the tree, inode to pid; empty when the tree has no connected unix socket. */
  readonly outsideSockets: ReadonlyMap<number, number>;
  readonly host: SceneHost;
}

export interface SceneHost {
  /** Of the process that will run CRIU. */
  readonly capabilities: ReadonlySet<number>;
  readonly uid: number;
  readonly gid: number;
  readonly iptables: boolean;
}

export type Check = (scene: Scene) => readonly Finding[];
