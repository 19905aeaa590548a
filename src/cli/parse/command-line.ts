// From arguments to what was asked for: pure, so that it can be compared with CRIU's own parser on any input. The order of the
// checks is CRIU's: help wins wherever it stands, a version option wins over what follows it, then come errors in the order of
// the arguments, then the command word.

import { getopt, type Mistake, type Occurrence, type Scan } from './getopt.js';
import { CRIU_OPTIONS, type LongOption } from './grammar.js';
import { nearest } from './nearest.js';
import { OWN_COMMANDS, OWN_OPTIONS, type OwnCommand } from './own.js';

export const CRIU_COMMANDS = {
  dump: 'Dump a process tree into an images directory',
  'pre-dump': 'Dump memory only, while the tree runs on',
  restore: 'Restore a tree from an images directory',
  check: 'Ask CRIU whether this kernel has what it needs',
  'page-server': 'Receive the pages of a dump elsewhere',
  'lazy-pages': 'Serve pages on demand to a tree restored with --lazy-pages',
  dedup: 'Remove pages from parents that newer images replace',
  cpuinfo: 'cpuinfo dump | check: record or compare CPU capabilities',
  service: 'Serve requests on a socket (CRIU itself)',
  swrk: 'Serve requests on an inherited socket (CRIU itself)',
  exec: 'Gone from CRIU',
} as const;

export type CriuWord = keyof typeof CRIU_COMMANDS;

export interface CriuCommand {
  readonly kind: 'criu';
  readonly word: CriuWord;
  /** What followed the command word: the action of cpuinfo, the fd of swrk, the command of --exec-cmd. */
  readonly operands: readonly string[];
  readonly occurrences: readonly Occurrence[];
  /** Frazil's own options. */
  readonly own: readonly Occurrence[];
  /** The arguments without Frazil's own, for CRIU. */
  readonly passOn: readonly string[];
}

export type CommandLine =
  | { readonly kind: 'help'; readonly topic?: string; readonly asked: boolean }
  | { readonly kind: 'version'; readonly own: readonly Occurrence[] }
  | { readonly kind: 'wrong'; readonly message: string; readonly topic?: string }
  | {
      readonly kind: 'own';
      readonly word: Exclude<OwnCommand, 'help'>;
      readonly occurrences: readonly Occurrence[];
      readonly operands: readonly string[];
    }
  /** Everything behind the word, unread. */
  | { readonly kind: 'runtime'; readonly args: readonly string[] }
  | CriuCommand;

/** Stands first, because what follows has another grammar. */
export const RUNTIME_COMMAND = 'runc';

const OWN_NAMES = new Set(OWN_OPTIONS.map((option) => option.name));

/** What `argv` (without node and script) asks for. Never throws. */
export function parseCommandLine(argv: readonly string[]): CommandLine {
  if (argv[0] === RUNTIME_COMMAND) return { kind: 'runtime', args: argv.slice(1) };
  const scan = getopt(argv, { long: CRIU_OPTIONS, exact: OWN_OPTIONS });
  const [word] = scan.operands;
  // Those have a grammar of their own. Options before the word must be known to both, which --json and --quiet are.
  const ownWord = word === undefined ? firstWord(argv) : word;
  if (ownWord !== undefined && isOwnCommand(ownWord)) return parseOwn(ownWord, argv);
  if (argv.some((token) => token === '--help' || token === '-h')) return help(word, true);
  return parseCriu(argv, scan);
}

function parseCriu(argv: readonly string[], { occurrences, operands, error }: Scan): CommandLine {
  const [word, ...rest] = operands;
  const ended = occurrences.find(({ option }) => option.sets === 'version' || option.sets === 'help');
  const own = occurrences.filter(isOwn);
  if (ended?.option.sets === 'version') return { kind: 'version', own };
  if (ended !== undefined) return help(word, true);
  if (error !== undefined) return wrong(describe(error, [...CRIU_OPTIONS, ...OWN_OPTIONS]), word);
  if (word === undefined) return occurrences.length === 0 ? help(undefined, false) : wrong('a command is required');
  if (!isCriuWord(word)) return wrong(unknownCommand(word));
  const surplus = tooMany(word, rest, occurrences);
  if (surplus !== undefined) return wrong(surplus, word);
  return {
    kind: 'criu',
    word,
    operands: rest,
    occurrences: occurrences.filter((one) => !isOwn(one)),
    own,
    passOn: without(argv, own),
  };
}

function parseOwn(word: OwnCommand, argv: readonly string[]): CommandLine {
  // The doctor takes a dump's options too, and says what then is left in its way; a migration ends with a dump. crit's options can be
  // abbreviated, as crit does.
  const dumps = word === 'doctor' || word === 'checkpoint' || word === 'migrate';
  const long = dumps ? CRIU_OPTIONS : word === 'images' ? OWN_COMMANDS.images : [];
  const { occurrences, operands, error } = getopt(argv, { long, exact: OWN_COMMANDS[word] });
  const rest = operands.slice(1);
  if (word === 'help') return help(rest.length === 0 ? undefined : rest.join(' '), true);
  const topic = word === 'images' && rest[0] !== undefined ? `images ${rest[0]}` : word;
  if (occurrences.some(({ option }) => option.name === 'help')) return help(topic, true);
  if (error !== undefined) return wrong(describe(error, [...long, ...OWN_COMMANDS[word]]), topic);
  return { kind: 'own', word, occurrences, operands: rest };
}

function help(topic: string | undefined, asked: boolean): CommandLine {
  return { kind: 'help', asked, ...(topic === undefined ? {} : { topic }) };
}

function wrong(message: string, topic?: string): CommandLine {
  return { kind: 'wrong', message, ...(topic === undefined ? {} : { topic }) };
}

function isOwn({ option }: Occurrence): boolean {
  return OWN_NAMES.has(option.name);
}

/** In place of an images directory. */
export function takesArchive(word: CriuWord): boolean {
  return word === 'restore' || word === 'page-server';
}

export function isOwnCommand(word: string): word is OwnCommand {
  return Object.hasOwn(OWN_COMMANDS, word);
}

export function isCriuWord(word: string): word is CriuWord {
  return Object.hasOwn(CRIU_COMMANDS, word);
}

// When an option that only the command knows stops the scan before the word, the word is the first bare token.
function firstWord(argv: readonly string[]): string | undefined {
  return argv.find((token) => !token.startsWith('-'));
}

function without(argv: readonly string[], own: readonly Occurrence[]): readonly string[] {
  const taken = new Set(own.flatMap(({ at, tokens }) => Array.from({ length: tokens }, (_, i) => at + i)));
  return argv.filter((_, at) => !taken.has(at));
}

// The commands that take something after their word.
function tooMany(word: CriuWord, rest: readonly string[], occurrences: readonly Occurrence[]): string | undefined {
  const execCmd = occurrences.some(({ option }) => option.sets === 'exec-cmd');
  if (execCmd && rest.length === 0) return '--exec-cmd requires a command after "--"';
  if (execCmd && word !== 'restore') return '--exec-cmd is for restore only';
  if (takesArchive(word) && rest.length === 1) return undefined;
  if (execCmd || word === 'cpuinfo' || word === 'swrk' || rest.length === 0) return undefined;
  return `${word} takes no operand, and was given ${rest.map((one) => `"${one}"`).join(', ')}`;
}

function unknownCommand(word: string): string {
  const meant = nearest(word, [...Object.keys(CRIU_COMMANDS), ...Object.keys(OWN_COMMANDS)]);
  return `there is no command "${word}"${meant === undefined ? '' : `. Did you mean "${meant}"?`}`;
}

function describe(error: Mistake, options: readonly LongOption[]): string {
  switch (error.kind) {
    case 'unknown':
      return unknownOption(error.written, options);
    case 'ambiguous':
      return `the option "${error.written}" is ambiguous: ${error.candidates.join(', ')}`;
    case 'needs-value':
      return `the option "${error.written}" needs a value`;
    case 'takes-no-value':
      return `the option "${error.written}" takes no value`;
    default:
      return unreachable(error);
  }
}

function unknownOption(written: string, options: readonly LongOption[]): string {
  const meant = written.startsWith('--')
    ? nearest(
        written.slice(2),
        options.map((one) => one.name),
      )
    : undefined;
  return `there is no option "${written}"${meant === undefined ? '' : `. Did you mean "--${meant}"?`}`;
}

function unreachable(never: never): never {
  throw new TypeError(`Cannot come here with ${JSON.stringify(never)}`);
}
