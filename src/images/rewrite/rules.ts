// What a rewriting changes, as the caller says it. Checked before any image is read: what is wrong here is misuse (RangeError); what the
// checkpoint does not allow is REWRITE_REFUSED, said by those who look at it.

import { addressWords } from '../crit/address.js';

/** A port, an address, or both; what is absent matches all, or stays. */
export interface SocketEnd {
  readonly address?: string;
  readonly port?: number;
}

export interface SocketRule {
  /** Default: both. */
  readonly protocol?: 'tcp' | 'udp';
  readonly from: SocketEnd;
  readonly to: SocketEnd;
}

export interface PathRule {
  /** An absolute path: it and everything below. */
  readonly from: string;
  readonly to: string;
}

export interface RewriteRules {
  /** Both ends of inet sockets, listening, bound and connected. The first rule that fits an end counts. */
  readonly sockets?: readonly SocketRule[];
  /** Of the tree's own uts namespace. */
  readonly hostname?: string;
  /** New values of variables; undefined takes a variable away. A value must fit into the room of the old one. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** The working directory of each task that stands in `from`. */
  readonly workingDirectory?: readonly PathRule[];
  /** Names of open and mapped files, working and root directories. The files must be as long there as they were here. */
  readonly paths?: readonly PathRule[];
  /** Files that are open for writing and not mapped: exact names, and the new file may have any length. */
  readonly logs?: readonly PathRule[];
  /** Paths in every cgroup hierarchy. */
  readonly cgroups?: readonly PathRule[];
  /** Numbers of pseudo-terminals: /dev/pts/N. */
  readonly terminals?: readonly { readonly from: number; readonly to: number }[];
}

const LONGEST_PATH = 4095;
const LONGEST_NAME = 255;
const LONGEST_HOSTNAME = 64;
const MOST_PORT = 65535;
const MOST_PTS = 1 << 20;

/** Throws RangeError naming the rule. */
export function checkRules(rules: RewriteRules): void {
  for (const rule of rules.sockets ?? []) checkSocket(rule);
  for (const key of ['workingDirectory', 'paths', 'logs', 'cgroups'] as const) {
    for (const { from, to } of rules[key] ?? []) for (const path of [from, to]) checkPath(key, path);
  }
  for (const { from, to } of rules.terminals ?? []) {
    for (const index of [from, to]) requireWhole('terminal', index, 0, MOST_PTS);
  }
  if (rules.hostname !== undefined) checkHostname(rules.hostname);
  for (const [name, value] of Object.entries(rules.environment ?? {})) checkVariable(name, value);
}

function checkSocket({ from, to }: SocketRule): void {
  for (const end of [from, to]) {
    if (end.port === undefined && end.address === undefined)
      throw new RangeError('Cannot rewrite sockets: an end needs an address or a port');
    if (end.port !== undefined) requireWhole('port', end.port, 1, MOST_PORT);
    if (end.address !== undefined && addressWords(end.address) === undefined)
      throw new RangeError(`Cannot rewrite sockets: "${end.address}" is no IPv4 or IPv6 address`);
  }
  const [old, fresh] = [from.address, to.address].map((address) => addressWords(address ?? '')?.length);
  if (old !== undefined && fresh !== undefined && old !== fresh)
    throw new RangeError(`Cannot rewrite sockets: "${from.address}" and "${to.address}" are of different families`);
}

function checkPath(key: string, path: string): void {
  const names = path.split('/').slice(1);
  const sound = path === '/' || names.every((name) => name !== '' && name !== '.' && name !== '..');
  if (!path.startsWith('/') || !sound || path.includes('\0'))
    throw new RangeError(
      `Cannot rewrite ${key}: "${path}" must be absolute, without "." or ".." or a slash at its end`,
    );
  if (Buffer.byteLength(path) > LONGEST_PATH || names.some((name) => Buffer.byteLength(name) > LONGEST_NAME))
    throw new RangeError(`Cannot rewrite ${key}: "${path.slice(0, 40)}..." is longer than a path may be`);
}

function checkHostname(name: string): void {
  const length = Buffer.byteLength(name);
  if (length >= 1 && length <= LONGEST_HOSTNAME && !/[\0\s/]/.test(name)) return;
  throw new RangeError(
    `Cannot rewrite the hostname to "${name}": it must have 1 to ${LONGEST_HOSTNAME} bytes, no blanks and no slashes`,
  );
}

function checkVariable(name: string, value: string | undefined): void {
  if (name !== '' && !/[=\0]/.test(name) && value?.includes('\0') !== true) return;
  throw new RangeError(`Cannot rewrite the environment: "${name}" is no name of a variable, or its value has a NUL`);
}

function requireWhole(what: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return;
  throw new RangeError(`Cannot rewrite: ${what} ${value} must be a whole number from ${least} to ${most}`);
}

/** `path` under the first rule that fits, if any: itself or something below. */
export function movedPath(path: string, rules: readonly PathRule[]): string | undefined {
  for (const { from, to } of rules) {
    if (path === from) return to;
    const below = from === '/' ? from : `${from}/`;
    if (path.startsWith(below)) return `${to === '/' ? '' : to}/${path.slice(below.length)}`;
  }
  return undefined;
}
