// Who is in a checkpoint: `crit x DIR ps`.

import { readPstree, type TreeEntry } from '../pstree.js';
import { readOne } from './checkpoint.js';
import { right, shown } from './text.js';

export interface PsTask {
  readonly pid: number;
  readonly ppid: number;
  readonly pgid: number;
  readonly sid: number;
  readonly threads: readonly number[];
  /** Empty when there is no core image. */
  readonly command: string;
  /** CRIU's numbers: 1 alive, 2 dead (zombies too), 3 stopped. */
  readonly state?: number;
  /** Generations below the root. */
  readonly depth: number;
}

/** Parents before their children, children in the order of the image. Throws IO or IMAGES_CORRUPT. */
export async function explorePs(dir: string): Promise<readonly PsTask[]> {
  const entries = await readPstree(dir);
  const found: PsTask[] = [];
  for (const { entry, depth } of inTreeOrder(entries)) {
    const core = await readOne(dir, `core-${entry.pid}.img`, 'core_entry');
    const { pid, ppid, pgid, sid, threads = [] } = entry;
    const state = core?.tc === undefined ? {} : { state: core.tc.task_state };
    found.push({ pid, ppid, pgid, sid, threads, command: core?.tc?.comm ?? '', ...state, depth });
  }
  return found;
}

export function psLines(tasks: readonly PsTask[]): readonly string[] {
  const header = `${right('PID')}${right('PGID')}${right('SID')}   COMM`;
  return [
    header,
    ...tasks.map(
      ({ pid, pgid, sid, depth, command }) =>
        `${right(pid)}${right(pgid)}${right(sid)}   ${'    '.repeat(depth)}${shown(command)}`,
    ),
  ];
}

interface Placed {
  readonly entry: TreeEntry;
  readonly depth: number;
}

// Without recursion: the depth of a tree is the image's, and an image can be anything.
function inTreeOrder(entries: readonly TreeEntry[]): readonly Placed[] {
  const pids = new Set(entries.map(({ pid }) => pid));
  const children = new Map<number, TreeEntry[]>();
  for (const entry of entries) children.set(entry.ppid, [...(children.get(entry.ppid) ?? []), entry]);
  const waiting: Placed[] = entries.filter(({ ppid }) => !pids.has(ppid)).map((entry) => ({ entry, depth: 0 }));
  const ordered: Placed[] = [];
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    const { entry, depth } = next;
    ordered.push(next);
    waiting.unshift(...(children.get(entry.pid) ?? []).map((child) => ({ entry: child, depth: depth + 1 })));
  }
  return ordered;
}
