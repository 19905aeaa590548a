// Help texts, made from the tables that parse: the option tables for CRIU's flags, OWN_OPTIONS for ours.

import { type FlagSpec, flagsFor } from '../../options/flags.js';
import type { Operation } from '../../options/types.js';
import { EXIT } from '../exit-code.js';
import { CRIU_COMMANDS, type CriuWord, isCriuWord, isOwnCommand, RUNTIME_COMMAND } from '../parse/command-line.js';
import { IMAGES_VERBS, type ImagesRow, isImagesVerb } from '../parse/images.js';
import { nearest } from '../parse/nearest.js';
import { OWN_COMMANDS, OWN_OPTIONS, type OwnCommand } from '../parse/own.js';
import type { OwnOption } from '../parse/own-option.js';
import { table } from '../print/table.js';
import type { Terminal } from '../terminal.js';
import { UsageError } from '../usage-error.js';

const OWN_TEXTS: Readonly<Record<OwnCommand, { readonly usage: string; readonly text: string }>> = {
  doctor: {
    usage: 'frazil doctor [-t PID [OPTIONS OF DUMP]] [--json]',
    text: 'Say what works on this host, and what would stop a dump of a tree',
  },
  explain: { usage: 'frazil explain FILE|DIRECTORY|- [--json]', text: "Say what CRIU's log means, and what to do" },
  archive: {
    usage:
      'frazil archive create -D DIR -o FILE|- [OPTIONS]\n       frazil archive list|verify|extract FILE|- [OPTIONS]',
    text: 'Make a checkpoint archive of an images directory; look into one of any profile, check it, or unpack it',
  },
  checkpoint: {
    usage: 'frazil checkpoint -t PID -o FILE|- [-R] [OPTIONS OF DUMP]',
    text: 'Dump a process tree into one archive, in one pass',
  },
  bench: {
    usage: 'frazil bench SCENARIO [OPTIONS] | --list',
    text: 'Measure Frazil and its peers side by side on this host',
  },
  images: {
    usage: 'frazil images VERB [OPTIONS]',
    text: 'Look into image files, and write them',
  },
  migrate: {
    usage: 'frazil migrate -t PID | --container ID --to HOST:PORT [OPTIONS] [OPTIONS OF DUMP]',
    text: 'Move a running tree, or a container, to another host',
  },
  receive: {
    usage: 'frazil receive --listen HOST:PORT [--once] [OPTIONS]',
    text: 'Take in trees and containers that are moved here',
  },
  help: { usage: 'frazil help [COMMAND]', text: 'Show the options of a command' },
};

const OPERATIONS: Partial<Record<CriuWord, Operation>> = {
  dump: 'dump',
  'pre-dump': 'preDump',
  restore: 'restore',
  check: 'check',
  'page-server': 'pageServer',
  cpuinfo: 'cpuinfo',
};

const USAGES: Partial<Record<CriuWord, string>> = {
  dump: 'frazil dump -t PID [-D DIR] [OPTIONS]',
  'pre-dump': 'frazil pre-dump -t PID [-D DIR] [OPTIONS]',
  restore: 'frazil restore [-d] [-D DIR | ARCHIVE|-] [OPTIONS]',
  cpuinfo: 'frazil cpuinfo dump|check [-D DIR] [OPTIONS]',
  'lazy-pages': 'frazil lazy-pages [-D DIR] [OPTIONS]',
};

const RUNTIME_TEXT = 'Run runc; its checkpoint and restore pass through Frazil';

const SHORT_NOTE = 'Flags are those of criu 4.2; most without a value have a --no- form, and abbreviations work.';

/** Prints what was asked for. Without a command at all it is the answer to a mistake: status 2. */
export function showHelp(
  { topic, asked }: { readonly topic?: string; readonly asked: boolean },
  terminal: Terminal,
): number {
  terminal.print(helpOn(topic, terminal.columns));
  return asked ? EXIT.done : EXIT.usage;
}

/** Throws UsageError for a topic that is no command. */
export function helpOn(topic: string | undefined, columns: number): string {
  if (topic === undefined) return overview(columns);
  const [first, verb] = topic.split(' ');
  if (topic === 'images') return imagesOverview(columns);
  if (first === 'images' && verb !== undefined) return imagesHelp(verb, columns);
  if (isOwnCommand(topic)) return ownHelp(topic, columns);
  if (isCriuWord(topic)) return criuHelp(topic, columns);
  if (topic === RUNTIME_COMMAND) return `Usage: frazil runc ARGUMENTS OF RUNC\n\n${RUNTIME_TEXT}.`;
  const meant = nearest(topic, [...Object.keys(CRIU_COMMANDS), ...Object.keys(OWN_COMMANDS)]);
  throw new UsageError(`there is no command "${topic}"${meant === undefined ? '' : `. Did you mean "${meant}"?`}`);
}

function overview(columns: number): string {
  const own = Object.entries(OWN_TEXTS).map(([name, { text }]) => [`  ${name}`, text]);
  const criu = Object.entries(CRIU_COMMANDS)
    .filter(([name]) => name !== 'exec')
    .map(([name, text]) => [`  ${name}`, text]);
  return [
    'Usage: frazil COMMAND [OPTIONS], as with criu',
    '',
    'Checkpoint and restore of Linux process trees over CRIU.',
    '',
    'Commands:',
    ...table([...criu, ...own, [`  ${RUNTIME_COMMAND}`, RUNTIME_TEXT]], columns),
    '',
    'Options of Frazil, with every command of CRIU:',
    ...optionLines(OWN_OPTIONS, columns),
    '',
    'frazil help COMMAND shows the others.',
    'Exit status: 0 done, 1 failed, 2 usage, 3 environment, 130 aborted.',
  ].join('\n');
}

function criuHelp(word: CriuWord, columns: number): string {
  const operation = OPERATIONS[word];
  const flags =
    operation === undefined
      ? ['  Done by CRIU itself with its own options: see criu(8).']
      : flagLines(operation, columns);
  return [
    `Usage: ${USAGES[word] ?? `frazil ${word} [OPTIONS]`}`,
    '',
    `${CRIU_COMMANDS[word]}.`,
    SHORT_NOTE,
    '',
    'Options:',
    ...flags,
    'Every other option of criu 4.2 is taken too, as CRIU takes it.',
    '',
    'Options of Frazil:',
    ...optionLines(OWN_OPTIONS, columns),
  ].join('\n');
}

/** A switch that is off when nothing is said needs no "default: off". */
const SELF_EVIDENT: ReadonlySet<string | undefined> = new Set([undefined, 'off', 'none']);

function flagLines(operation: Operation, columns: number): readonly string[] {
  return table(flagsFor(operation).map(flagRow), columns);
}

function flagRow(spec: FlagSpec): readonly string[] {
  const [long = '', short] = spec.flags;
  const value = spec.argument === undefined ? '' : spec.argumentOptional ? `[=${spec.argument}]` : ` ${spec.argument}`;
  const text = SELF_EVIDENT.has(spec.default) ? spec.text : `${spec.text} (default: ${spec.default})`;
  return [`  ${short === undefined ? '    ' : `${short}, `}${long}${value}`, text];
}

function ownHelp(word: OwnCommand, columns: number): string {
  const { usage, text } = OWN_TEXTS[word];
  return [`Usage: ${usage}`, '', `${text}.`, '', 'Options:', ...optionLines(OWN_COMMANDS[word], columns)].join('\n');
}

function imagesOverview(columns: number): string {
  const verbs = Object.entries(IMAGES_VERBS).map(([name, { text }]: [string, ImagesRow]) => [`  ${name}`, text]);
  const { usage, text } = OWN_TEXTS.images;
  return [
    `Usage: ${usage}`,
    '',
    `${text}.`,
    '',
    'Verbs:',
    ...table(verbs, columns),
    '',
    'frazil help images VERB says more.',
  ].join('\n');
}

function imagesHelp(verb: string, columns: number): string {
  if (!isImagesVerb(verb)) throw new UsageError(`images has no verb "${verb}"`, 'images');
  const { usage, text, options }: ImagesRow = IMAGES_VERBS[verb];
  return [`Usage: ${usage}`, '', `${text}.`, '', 'Options:', ...optionLines(options, columns)].join('\n');
}

function optionLines(options: readonly OwnOption[], columns: number): readonly string[] {
  return table(
    options.map(({ name, short, value, argument, text }) => {
      const names = short === undefined ? `    --${name}` : `-${short}, --${name}`;
      const given = value === undefined ? '' : argument === 'optional' ? `[=${value}]` : ` ${value}`;
      return [`  ${names}${given}`, text];
    }),
    columns,
  );
}
