// What a tree knows of its host: name, cgroups, terminals.

import type { Entry } from '../../schema/images.js';
import type { Draft } from './draft.js';
import { movedPath, type PathRule, type RewriteRules } from './rules.js';

type Directory = Entry<'cgroup_dir_entry'>;

/** Throws REWRITE_REFUSED when the tree has no uts namespace of its own. */
export async function rewriteHostname(draft: Draft, hostname: string | undefined): Promise<void> {
  if (hostname === undefined) return;
  const names = draft.matching(/^utsns-\d+\.img$/);
  if (names.length === 0)
    throw draft.refuse('utsns-*.img', 'the tree has no uts namespace of its own, so its hostname is that of the host');
  for (const name of names) {
    await draft.update(name, (entry) => {
      if (entry.kind !== 'utsns_entry' || entry.message.nodename === hostname) return entry;
      draft.note({ file: name, entry: 'uts namespace', field: 'nodename', old: entry.message.nodename, new: hostname });
      return { ...entry, message: { ...entry.message, nodename: hostname } };
    });
  }
}

/** Where tasks are, and the directories that CRIU makes for them. */
export async function rewriteCgroups(draft: Draft, rules: readonly PathRule[]): Promise<void> {
  if (rules.length === 0) return;
  const file = 'cgroup.img';
  const move = (entry: string, field: string, path: string): string => {
    const to = movedPath(path, rules) ?? path;
    if (to !== path) draft.note({ file, entry, field, old: path, new: to });
    return to;
  };
  await draft.update(file, (entry) => {
    if (entry.kind !== 'cgroup_entry') return entry;
    const before = draft.changes.length;
    const sets = (entry.message.sets ?? []).map((set) => ({
      ...set,
      ctls: (set.ctls ?? []).map((member) => ({
        ...member,
        path: move(`set ${set.id}, ${member.name}`, 'path', member.path),
      })),
    }));
    const controllers = (entry.message.controllers ?? []).map((controller) => {
      const where = `directory of ${(controller.cnames ?? []).join(',')}`;
      return {
        ...controller,
        dirs: (controller.dirs ?? []).map((directory) =>
          movedDirectory(directory, (path) => move(where, 'dir_name', path)),
        ),
      };
    });
    return draft.changes.length === before ? entry : { ...entry, message: { ...entry.message, sets, controllers } };
  });
}

// The names of directories below the first are relative to it.
function movedDirectory(directory: Directory, move: (path: string) => string): Directory {
  const { dir_name: name } = directory;
  const moved = name.startsWith('/') ? move(name) : move(`/${name}`).replace(/^\//, '');
  return moved === name ? directory : { ...directory, dir_name: moved };
}

/** Pseudo-terminals by their numbers, in what they are and in the names of the files that were opened. */
export async function rewriteTerminals(draft: Draft, rules: NonNullable<RewriteRules['terminals']>): Promise<void> {
  if (rules.length === 0) return;
  const target = (index: number): number | undefined => rules.find(({ from }) => from === index)?.to;
  for (const name of draft.matching(/^tty-info\.img$/)) {
    await draft.update(name, (entry) => {
      if (entry.kind !== 'tty_info_entry' || entry.message.pty === undefined) return entry;
      const { id, pty } = entry.message;
      const index = target(pty.index);
      if (index === undefined || index === pty.index) return entry;
      draft.note({
        file: name,
        entry: `terminal ${id}`,
        field: 'pty.index',
        old: String(pty.index),
        new: String(index),
      });
      return { ...entry, message: { ...entry.message, pty: { ...pty, index } } };
    });
  }
}
