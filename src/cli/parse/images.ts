// The verbs of `frazil images`. Those that crit has take crit's options, so that what was typed after `crit` can be typed after
// `frazil images`. A verb is a row here and a module in ../verbs/images/.

import type { OwnOption } from './own-option.js';

export interface ImagesRow {
  readonly usage: string;
  readonly text: string;
  readonly options: readonly OwnOption[];
}

const HELP = flag('help', 'Show this text', 'h');
const JSON_OPTION = flag('json', 'One object on stdout (rss: one a line)');
const PRETTY = flag('pretty', 'With indentation, flags as words, pointers in hexadecimal');
const NOPL = flag('nopl', 'Sizes of payloads in place of their contents');

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
    usage: 'frazil images x DIR ps|fds|mems|rss [--json]',
    text: 'The same as images ps DIR and so on, as crit has it',
    options: [JSON_OPTION, HELP],
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
  return { usage: `frazil images ${verb} DIR [--json]`, text, options: [JSON_OPTION, HELP] };
}

function flag(name: string, text: string, short?: string): OwnOption {
  return { name, argument: 'none', sets: name, on: true, text, ...(short === undefined ? {} : { short }) };
}

function file(name: string, short: string, text: string): OwnOption {
  return { name, argument: 'required', sets: name, on: true, text, short, value: 'FILE' };
}

function outOption(what: string): OwnOption {
  return file('out', 'o', `Where to put ${what}; default: standard output`);
}
