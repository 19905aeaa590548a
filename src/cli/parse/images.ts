// The verbs of `frazil images`. Those that crit has take crit's options, so that what was typed after `crit` can be typed after
// `frazil images`. A verb is a row here and a module in ../verbs/images/.

import { type OwnOption, READING } from './own-option.js';
import { REWRITING } from './rewriting.js';

export interface ImagesRow {
  readonly usage: string;
  readonly text: string;
  readonly options: readonly OwnOption[];
}

const HELP = flag('help', 'Show this text', 'h');
const PRETTY = flag('pretty', 'With indentation, flags as words, pointers in hexadecimal');
const NOPL = flag('nopl', 'Sizes of payloads in place of their contents');
const JSON_OPTION = flag('json', 'One object on stdout (rss: one a line); everything for people goes to stderr');
const PROGRESS = flag('progress', 'Show progress even when stderr is no terminal');
const QUIET = flag('quiet', 'No progress, no summary; errors only');

export const IMAGES_VERBS = {
  decode: {
    usage: 'frazil images decode [-i FILE] [-o FILE] [--pretty]',
    text: 'Turn an image file into JSON, as crit does',
    options: [file('in', 'i', 'The image file; default: standard input'), outOption('the JSON'), PRETTY, NOPL, HELP],
  },
  encode: {
    usage: 'frazil images encode [-i FILE] [-o FILE]',
    text: 'Turn JSON of decode (plain or pretty) or of crit back into an image file',
    options: [file('in', 'i', 'The JSON; default: standard input'), outOption('the image file'), HELP],
  },
  info: {
    usage: 'frazil images info FILE',
    text: 'Say what kind of image file it is, and how many entries it has',
    options: [HELP],
  },
  show: {
    usage: 'frazil images show FILE [--nopl]',
    text: 'The same as decode --pretty',
    options: [NOPL, HELP],
  },
  ps: explorer('ps', 'List the tasks of a checkpoint'),
  fds: explorer('fds', 'List what the tasks of a checkpoint have open'),
  mems: explorer('mems', 'List what the tasks of a checkpoint have mapped'),
  rss: explorer('rss', 'List the pages in a checkpoint, and in which mappings they lie'),
  x: {
    usage: 'frazil images x DIR|ARCHIVE ps|fds|mems|rss [--json]',
    text: 'The same as images ps DIR and so on, as crit has it',
    options: [...READING, JSON_OPTION, HELP],
  },
  verify: {
    usage: 'frazil images verify DIR',
    text: 'Check that a chain is complete: every hole found in a parent, every pages file long enough',
    options: [JSON_OPTION, HELP],
  },
  dedup: {
    usage: 'frazil images dedup DIR',
    text: 'Free in the parents what DIR has itself, as criu dedup; they cannot be restored by themselves then',
    options: [JSON_OPTION, HELP],
  },
  squash: {
    usage: 'frazil images squash DIR NEWDIR',
    text: 'Make of DIR and its parents one images directory that needs none',
    options: [JSON_OPTION, PROGRESS, QUIET, HELP],
  },
  search: {
    usage: 'frazil images search DIR|ARCHIVE [TEXT...] [--hex BYTES]',
    text: 'Find text or bytes in the memory of all tasks, through the parents',
    options: [
      valued('hex', 'HEX', 'Bytes in hexadecimal, such as deadbeef; may be repeated'),
      valued('limit', 'N', 'Stop after N matches; default: 1000'),
      valued('context', 'N', 'Bytes to show before and after; default: 32'),
      valued('pid', 'PID', 'Only the task with this pid; may be repeated'),
      ...READING,
      JSON_OPTION,
      PROGRESS,
      QUIET,
      HELP,
    ],
  },
  diff: {
    usage: 'frazil images diff DIR|ARCHIVE OTHER [--runs]',
    text: 'Compare the memory of two checkpoints of the same tree, page by page',
    options: [
      flag('runs', 'List each run of pages that is not the same'),
      ...READING,
      JSON_OPTION,
      PROGRESS,
      QUIET,
      HELP,
    ],
  },
  rewrite: {
    usage: 'frazil images rewrite DIR NEWDIR --as-...',
    text: 'Make a checkpoint that wakes up with other ports, addresses, names and paths (docs/rewrite.md)',
    options: [...REWRITING, flag('dry-run', 'Only list what would change'), JSON_OPTION, QUIET, HELP],
  },
} as const satisfies Record<string, ImagesRow>;

export type ImagesVerb = keyof typeof IMAGES_VERBS;

/** The options of all verbs, each once: which verb takes which is looked at when the verb is known. */
export function imagesOptions(): readonly OwnOption[] {
  const options = Object.values(IMAGES_VERBS).flatMap((row: ImagesRow) => row.options);
  return [...new Map(options.map((option) => [option.name, option])).values()];
}

export function isImagesVerb(word: string): word is ImagesVerb {
  return Object.hasOwn(IMAGES_VERBS, word);
}

function explorer(verb: string, text: string): ImagesRow {
  return { usage: `frazil images ${verb} DIR|ARCHIVE [--json]`, text, options: [...READING, JSON_OPTION, HELP] };
}

function flag(name: string, text: string, short?: string): OwnOption {
  return { name, argument: 'none', sets: name, on: true, text, ...(short === undefined ? {} : { short }) };
}

function file(name: string, short: string, text: string): OwnOption {
  return { name, argument: 'required', sets: name, on: true, text, short, value: 'FILE' };
}

function valued(name: string, value: string, text: string): OwnOption {
  return { name, argument: 'required', sets: name, on: true, text, value };
}

function outOption(what: string): OwnOption {
  return file('out', 'o', `Where to put ${what}; default: standard output`);
}
