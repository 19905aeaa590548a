// The doctor's look at one tree, before anything is frozen. Reads /proc once, then judges.

import { checkAnonymous } from './checks/anonymous.js';
import { checkFiles } from './checks/files.js';
import { checkMemory } from './checks/memory.js';
import { checkNamespaces } from './checks/namespaces.js';
import { checkSockets } from './checks/sockets.js';
import { checkTasks } from './checks/tasks.js';
import { checkTerminals } from './checks/terminals.js';
import { estimateTree, type TreeEstimate } from './estimate.js';
import { type ChosenOptions, type Finding, worstFirst } from './finding.js';
import type { Check, SceneHost } from './scene.js';
import { readOutsideSockets, readSockets, socketInode } from './sockets.js';
import { readTree, type Tree } from './tree.js';

export interface TreeReport {
  readonly pid: number;
  /** Pids of the tree, the root first. */
  readonly tasks: readonly number[];
  readonly estimate: TreeEstimate;
  /** Worst first. */
  readonly findings: readonly Finding[];
}

const CHECKS: readonly Check[] = [
  checkTasks,
  checkTerminals,
  checkFiles,
  checkSockets,
  checkAnonymous,
  checkNamespaces,
  checkMemory,
];

/** Looks at a tree with the options that a dump would get. Throws NO_SUCH_PROCESS when its root is not there. */
export async function examine(pid: number, options: ChosenOptions, host: SceneHost): Promise<TreeReport> {
  const tree = await readTree(pid);
  const sockets = await readSockets(tree);
  const outsideSockets = hasUnix(tree, sockets) ? await readOutsideSockets(tree) : new Map<number, number>();
  const scene = { tree, options, sockets, outsideSockets, host };
  return {
    pid,
    tasks: tree.tasks.map((task) => task.pid),
    estimate: estimateTree(tree),
    findings: worstFirst(CHECKS.flatMap((check) => check(scene))),
  };
}

function hasUnix({ tasks }: Tree, sockets: Awaited<ReturnType<typeof readSockets>>): boolean {
  const inodes = tasks.flatMap(({ files }) => files.flatMap(({ link }) => socketInode(link) ?? []));
  return inodes.some((inode) => sockets.get(inode)?.kind === 'unix');
}
