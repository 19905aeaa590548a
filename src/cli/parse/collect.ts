// From settings to what a verb takes. The option tables know the flags, how a value is read, and which operation takes it; this
// file knows only where CRIU's command line says something in another way than its RPC.

import { type FlagSpec, flagsFor, redirected } from '../../options/flags.js';
import type { Operation, OptionsOf } from '../../options/types.js';
import type { Setting, Settings } from './settings.js';

/** What the verb takes beside its options. */
export interface VerbArguments {
  readonly tree?: number;
  readonly imagesDir?: string;
  readonly pidfile?: string;
  readonly restoreDetached?: boolean;
}

export interface Collected<O extends Operation> {
  readonly arguments: VerbArguments;
  readonly options: OptionsOf[O];
  /** `--log-file` as it was given: CRIU's command line takes a path, its RPC only a name. */
  readonly logPath?: string;
  /** Options, as written, that this operation has no use for. CRIU takes them without a word. */
  readonly idle: readonly string[];
}

/** A value that the option does not take. The message names the option as it was written. */
export class ValueError extends Error {
  override readonly name = 'ValueError';
}

// TLS is for CRIU's own page transfer: with it CRIU does the dump itself, without it CRIU has no use for a certificate either.
// SETTLED are read before anything else, by the command line itself.
const SETTLED = new Set<string>(['config', 'no-default-config', 'log-file']);

// Arguments of the verbs; the others belong to what route() gives to CRIU, and have no meaning without it.
const USED = new Set<FlagSpec['name']>([
  'tree',
  'imagesDir',
  'pidfile',
  'restoreDetached',
] satisfies (keyof VerbArguments)[]);

/** Throws ValueError. */
export function collect<O extends Operation>(operation: O, settings: Settings): Collected<O> {
  const specs = flagsFor(operation);
  const found: Record<string, unknown> = {};
  const verb: Record<string, unknown> = {};
  const idle: string[] = [];
  for (const setting of settings.values()) {
    if (SETTLED.has(setting.name)) continue;
    const spec = specs.find(({ flags }) => flags.includes(`--${setting.name}`));
    if (setting.name === 'veth-pair' && operation === 'restore') Object.assign(found, veths(found, setting));
    else if (spec === undefined || setting.name.startsWith('tls')) idle.push(unused(setting));
    else if (spec.isOption) Object.assign(found, optionOf(spec, setting, found));
    else if (USED.has(spec.name)) verb[spec.name] = readValue(spec, setting);
    else if (setting.on) idle.push(unused(setting));
  }
  const logPath = settings.get('log-file')?.values.at(-1);
  return {
    arguments: verb,
    options: lastState(found, settings) as OptionsOf[O],
    ...(logPath === undefined ? {} : { logPath }),
    idle,
  };
}

const OTHERS = ['dump', 'preDump', 'restore', 'pageServer'] as const satisfies readonly Operation[];
/** What CRIU reads with atoi() or not at all: there is no wrong value. */
const ANYTHING_GOES = new Set(['timeout', 'ghost-limit', 'cgroup-root']);

// CRIU looks at the value of every option before it does anything, also of one that the command has no use for. What is wrong there is
// most likely meant for what the command does, and a dump kills.
function unused(setting: Setting): string {
  if (setting.name === 'veth-pair') veths({}, setting);
  const specs = OTHERS.flatMap((operation) => flagsFor(operation));
  const spec = specs.find(({ flags }) => flags.includes(`--${setting.name}`));
  if (spec !== undefined && !ANYTHING_GOES.has(setting.name)) optionOf(spec, setting, {});
  return setting.written;
}

function optionOf(spec: FlagSpec, setting: Setting, found: Record<string, unknown>): Record<string, unknown> {
  if (setting.name === 'ext-unix-sk') return unixSockets(setting, found);
  const texts = setting.values.filter((text) => redirected(spec.name, text) === undefined);
  const elsewhere = setting.values.map((text) => redirected(spec.name, text)).find((one) => one !== undefined);
  return {
    ...(elsewhere === undefined ? {} : { [elsewhere.name]: elsewhere.value }),
    ...(texts.length === 0 ? {} : { [spec.name]: readValue(spec, { ...setting, values: texts }, found[spec.name]) }),
  };
}

// `before` is there only for externals, which other options add to.
function readValue(spec: FlagSpec, setting: Setting, before?: unknown): unknown {
  if (!setting.on) return false;
  return inOption(setting, () =>
    setting.values.reduce<unknown>((previous, text) => spec.parse(cleaned(spec, text), previous), before),
  );
}

// `ps -o pid=` pads its numbers, and CRIU's atoi does not mind.
function cleaned(spec: FlagSpec, text: string | undefined): string | undefined {
  return spec.name === 'tree' ? text?.trim() : text;
}

// `-x INODE[,INODE]`: deprecated, and the same as naming each socket as external.
function unixSockets({ values }: Setting, found: Record<string, unknown>): Record<string, unknown> {
  const inodes = values.flatMap((value) => (value === undefined ? [] : value.split(',')));
  return {
    extUnixSk: true,
    ...moreExternals(
      found,
      inodes.map((inode) => `unix[${inode}]`),
    ),
  };
}

// `--veth-pair IN=OUT`: deprecated in favour of an external.
function veths(found: Record<string, unknown>, setting: Setting): Record<string, unknown> {
  const pairs = setting.values.map((value = '') => {
    const at = value.indexOf('=');
    if (at === -1) throw new ValueError(`${setting.written}: IN=OUT expected, not "${value}"`);
    return `veth[${value.slice(0, at)}]:${value.slice(at + 1)}`;
  });
  return moreExternals(found, pairs);
}

function moreExternals(found: Record<string, unknown>, more: readonly string[]): Record<string, unknown> {
  if (more.length === 0) return {};
  const before = Array.isArray(found['external']) ? found['external'] : [];
  return { external: [...before, ...more] };
}

// -R and -s set one thing in CRIU's command line, where the later wins; in its RPC they are two, and stopped wins.
function lastState(found: Record<string, unknown>, settings: Settings): Record<string, unknown> {
  const { leaveRunning, leaveStopped, ...others } = found;
  if (leaveRunning !== true || leaveStopped !== true) return found;
  const names = [...settings.keys()];
  const stoppedLast = names.indexOf('leave-stopped') > names.indexOf('leave-running');
  return stoppedLast ? { ...others, leaveStopped } : { ...others, leaveRunning };
}

function inOption<T>({ written }: Setting, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (!(cause instanceof TypeError) && !(cause instanceof RangeError)) throw cause;
    throw new ValueError(`${written}: ${cause.message}`, { cause });
  }
}
