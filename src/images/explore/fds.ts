// What the tasks of a checkpoint have open: `crit x DIR fds`.

import { readPstree } from '../pstree.js';
import { readEntries, readOne } from './checkpoint.js';
import { type FileNames, readFileNames } from './file-names.js';
import { right } from './text.js';

export interface TaskFds {
  readonly pid: number;
  readonly fds: readonly { readonly fd: number; readonly type: string; readonly file: string }[];
  /** Absent for a zombie, which has neither; crit gives up there. */
  readonly cwd?: string;
  readonly root?: string;
}

/** In the order of pstree.img. Throws IO or IMAGES_CORRUPT. */
export async function exploreFds(dir: string): Promise<readonly TaskFds[]> {
  const names = await readFileNames(dir);
  const tasks: TaskFds[] = [];
  for (const { pid } of await readPstree(dir)) tasks.push(await fdsOf(dir, pid, names));
  return tasks;
}

export function fdsLines(tasks: readonly TaskFds[]): readonly string[] {
  return tasks.flatMap(({ pid, fds, cwd, root }) => [
    `${pid}`,
    ...fds.map(({ fd, file }) => `\t${right(fd)}: ${file}`),
    ...(cwd === undefined ? [] : [`\t${right('cwd')}: ${cwd}`]),
    ...(root === undefined ? [] : [`\t${right('root')}: ${root}`]),
  ]);
}

async function fdsOf(dir: string, pid: number, names: FileNames): Promise<TaskFds> {
  const ids = await readOne(dir, `ids-${pid}.img`, 'task_kobj_ids_entry');
  if (ids === undefined) return { pid, fds: [] };
  const fds = await readEntries(dir, `fdinfo-${ids.files_id}.img`, 'fdinfo_entry');
  const fs = await readOne(dir, `fs-${pid}.img`, 'fs_entry');
  return {
    pid,
    fds: fds.map(({ fd, id, type }) => {
      const name = typeof type === 'string' ? type : String(type.raw);
      return { fd, type: name, file: names.of(name, id) };
    }),
    ...(fs === undefined ? {} : { cwd: names.of('REG', fs.cwd_id), root: names.of('REG', fs.root_id) }),
  };
}
