// What the ids of files in images stand for, in crit's words. All files are in files.img; images of CRIU before 3.0 have a file a type.

import type { Entry, EntryKind } from '../../schema/images.js';
import { quotedText } from '../crit/quoted-printable.js';
import { readIfThere } from './checkpoint.js';
import { shown } from './text.js';

/** Throws nothing for an id that is not there: the text says so, as crit's does. */
export interface FileNames {
  /** `type` is a name of fd_types; the text is fit for a terminal. */
  of(type: string, id: number): string;
}

/** Throws IO or IMAGES_CORRUPT. */
export async function readFileNames(dir: string): Promise<FileNames> {
  const files = byId((await readIfThere(dir, 'files.img', 'file_entry')) ?? []);
  const old = {
    reg: await readOld(dir, 'reg-files.img', 'reg_file_entry'),
    pipe: await readOld(dir, 'pipes.img', 'pipe_entry'),
    usk: await readOld(dir, 'unixsk.img', 'unix_sk_entry'),
  };
  // An id that files.img has is that of its type, or of nothing.
  const found = <K extends keyof typeof old>(field: K, id: number) => {
    const file = files.get(id);
    return file === undefined ? old[field].get(id) : file[field];
  };
  return {
    of(type, id) {
      if (type === 'REG') return pathText(found('reg', id) as Entry<'reg_file_entry'> | undefined);
      if (type === 'PIPE') return pipeText(found('pipe', id) as Entry<'pipe_entry'> | undefined);
      if (type === 'UNIXSK') return unixText(found('usk', id) as Entry<'unix_sk_entry'> | undefined);
      return `${type}.${id}`;
    },
  };
}

function pathText(file: Entry<'reg_file_entry'> | undefined): string {
  return file === undefined || file.name === '' ? 'unknown path' : shown(file.name);
}

function pipeText(pipe: Entry<'pipe_entry'> | undefined): string {
  return pipe === undefined ? 'pipe[?]' : `pipe[${pipe.pipe_id}]`;
}

function unixText(socket: Entry<'unix_sk_entry'> | undefined): string {
  if (socket === undefined) return 'unix[?]';
  // One line, however long the name is.
  const name = socket.name.length === 0 ? '' : ` ${shown(quotedText(socket.name).replaceAll(/=\r?\n/g, ''))}`;
  return `unix[${socket.ino} (${socket.peer})${name}]`;
}

async function readOld<K extends EntryKind>(
  dir: string,
  name: string,
  kind: K,
): Promise<ReadonlyMap<number, Entry<K>>> {
  return byId((await readIfThere(dir, name, kind)) ?? []);
}

// The first of an id counts, as in crit.
function byId<E>(entries: readonly E[]): ReadonlyMap<number, E> {
  return new Map(entries.map((entry) => [(entry as { id: number }).id, entry] as const).reverse());
}
