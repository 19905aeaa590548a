// Names of files: all below a path, working directories, and files that are written to (logs), whose length may be another one there.

import type { Entry } from '../../schema/images.js';
import type { ImageEntry } from '../codec/decode.js';
import type { Draft } from './draft.js';
import { movedPath, type PathRule, type RewriteRules } from './rules.js';

type RegularFile = Entry<'reg_file_entry'>;

const FILES = /^(files|reg-files)\.img$/;
const WRITABLE = 3;
// VMA_FILE_PRIVATE and VMA_FILE_SHARED (criu/include/vma.h).
const FILE_MAPPING = (1 << 6) | (1 << 7);
const LONGEST_PATH = 4095;

/** Throws REWRITE_REFUSED when a rule for a log or a working directory fits nothing, or fits what it must not. */
export async function rewritePaths(draft: Draft, rules: RewriteRules): Promise<void> {
  const { paths = [], logs = [], workingDirectory = [] } = rules;
  if (paths.length + logs.length + workingDirectory.length === 0) return;
  const uses = await usesOfFiles(draft);
  const found = new Set<PathRule>();
  const change = (name: string, file: RegularFile): RegularFile => {
    const log = logs.find(({ from }) => from === file.name);
    const place = workingDirectory.find(({ from }) => from === file.name && uses.workingDirectories.has(file.id));
    if (log !== undefined) {
      found.add(log);
      return asLog(draft, { name, file, to: log.to, mapped: uses.mapped.has(file.id) });
    }
    if (place !== undefined) found.add(place);
    const to = place?.to ?? movedPath(file.name, paths);
    return to === undefined || to === file.name ? file : renamed(draft, { name, file, to });
  };
  for (const name of draft.matching(FILES))
    await draft.update(name, (entry) => inFile(entry, (file) => change(name, file)));
  const unused = [...logs, ...workingDirectory].find((rule) => !found.has(rule));
  if (unused !== undefined)
    throw draft.refuse('files.img', `nothing there is "${unused.from}". Name a path as the tree has it`);
}

function inFile(entry: ImageEntry, change: (file: RegularFile) => RegularFile): ImageEntry {
  if (entry.kind === 'reg_file_entry') {
    const message = change(entry.message);
    return message === entry.message ? entry : { ...entry, message };
  }
  if (entry.kind !== 'file_entry' || entry.message.reg === undefined) return entry;
  const reg = change(entry.message.reg);
  return reg === entry.message.reg ? entry : { ...entry, message: { ...entry.message, reg } };
}

interface Renaming {
  readonly name: string;
  readonly file: RegularFile;
  readonly to: string;
}

function renamed(draft: Draft, { name, file, to }: Renaming): RegularFile {
  if (Buffer.byteLength(to) > LONGEST_PATH)
    throw draft.refuse(name, `"${file.name}" would become longer than a path may be. Choose a shorter one`);
  draft.note({ file: name, entry: `file ${file.id}`, field: 'name', old: file.name, new: to });
  return { ...file, name: to };
}

// CRIU compares size and build id of what it opens with what is recorded; a log in another place has other ones.
function asLog(draft: Draft, { mapped, ...renaming }: Renaming & { readonly mapped: boolean }): RegularFile {
  const { name, file } = renaming;
  if (mapped || (file.flags & WRITABLE) === 0) {
    const why = mapped ? 'is mapped into memory' : 'is not open for writing';
    throw draft.refuse(name, `"${file.name}" ${why}, so it is no log. Move it with a rule for paths`);
  }
  const {
    size,
    checksum: _,
    checksum_config: _config,
    checksum_parameter: _parameter,
    ...rest
  } = renamed(draft, renaming);
  if (size !== undefined)
    draft.note({ file: name, entry: `file ${file.id}`, field: 'size', old: String(size), new: 'not compared' });
  return rest;
}

async function usesOfFiles(draft: Draft) {
  const workingDirectories = new Set<number>();
  const mapped = new Set<number>();
  for (const name of draft.matching(/^fs-\d+\.img$/)) {
    for (const entry of await draft.entries(name))
      if (entry.kind === 'fs_entry') workingDirectories.add(entry.message.cwd_id);
  }
  for (const name of draft.matching(/^mm-\d+\.img$/)) {
    for (const entry of await draft.entries(name)) {
      if (entry.kind !== 'mm_entry') continue;
      mapped.add(entry.message.exe_file_id);
      // For a file mapping shmid is the id of its file.
      for (const { status, shmid } of entry.message.vmas ?? []) {
        if ((status & FILE_MAPPING) !== 0) mapped.add(Number(shmid));
      }
    }
  }
  return { workingDirectories, mapped };
}
