// Who does it: our verbs (own session, own page sink, typed report) or CRIU itself with the same arguments. Ours is the rule.
// CRIU does what its RPC cannot express or what does not pass our end of the page socket; docs/adr/0005 has the reasons.
// A pure function, so that the table in the test is the whole truth.

import type { Operation } from '../options/types.js';
import type { CriuWord } from './parse/command-line.js';
import { isOn, lastValue, type Settings } from './parse/settings.js';

export type Route =
  | { readonly kind: 'frazil'; readonly operation: Exclude<Operation, 'pageServer'> | 'lazyPages' | 'servePages' }
  /** At least one reason, each a clause. */
  | { readonly kind: 'criu'; readonly because: readonly string[] };

const OURS: Partial<Record<CriuWord, Extract<Route, { kind: 'frazil' }>['operation']>> = {
  dump: 'dump',
  'pre-dump': 'preDump',
  restore: 'restore',
  check: 'check',
  cpuinfo: 'cpuinfo',
  'lazy-pages': 'lazyPages',
  'page-server': 'servePages',
};

const THEIRS: Partial<Record<CriuWord, string>> = {
  dedup: 'dedup has no RPC request',
  service: 'service is CRIU as a daemon',
  swrk: 'swrk is CRIU as a worker of the caller',
  exec: 'exec is gone from CRIU, which says so',
};

/** A page server that gives pages out is ours. */
const RECEIVING = 'page-server is CRIU as a daemon with a port of its own';

interface Rule {
  readonly option: string;
  readonly words: readonly CriuWord[];
  readonly because: string;
  /** Absent: whenever the option is on. */
  applies?(settings: Settings): boolean;
}

const TREE_WORDS: readonly CriuWord[] = ['dump', 'pre-dump', 'restore'];
const DUMPS: readonly CriuWord[] = ['dump', 'pre-dump'];
const SERVERS: readonly CriuWord[] = ['lazy-pages', 'page-server'];

export const RULES: readonly Rule[] = [
  { option: 'page-server', words: DUMPS, because: '--page-server sends the pages over a connection of CRIU' },
  { option: 'lazy-pages', words: TREE_WORDS, because: '--lazy-pages keeps CRIU as the server of the pages' },
  { option: 'tls', words: SERVERS, because: '--tls is done by CRIU at both ends of its page connection' },
  { option: 'ps-socket', words: SERVERS, because: '--ps-socket is an fd of the CRIU process' },
  { option: 'restore-detached', words: SERVERS, because: '--daemon leaves a daemon of CRIU behind' },
  { option: 'pidfile', words: SERVERS, because: '--pidfile names a daemon of CRIU' },
  { option: 'status-fd', words: SERVERS, because: '--status-fd is an fd of the CRIU process' },
  { option: 'stream', words: TREE_WORDS, because: '--stream is not reachable over RPC' },
  {
    option: 'action-script',
    words: TREE_WORDS,
    because: '--action-script runs beside CRIU: its terminal, and the images as CRIU is writing them',
  },
  { option: 'close', words: TREE_WORDS, because: '--close is about fds of the CRIU process' },
  { option: 'exec-cmd', words: ['restore'], because: '--exec-cmd turns the CRIU process into the command' },
  {
    option: 'restore-sibling',
    words: ['restore'],
    because: "--restore-sibling makes the tree a child of CRIU's caller",
  },
  { option: 'feature', words: ['check'], because: 'check --feature has no RPC request' },
  { option: 'extra', words: ['check'], because: 'check --extra has no RPC request' },
  { option: 'experimental', words: ['check'], because: 'check --experimental has no RPC request' },
  { option: 'all', words: ['check'], because: 'check --all has no RPC request' },
  { option: 'ms', words: ['check', ...TREE_WORDS], because: '--ms is refused by CRIU, which says so' },
  {
    option: 'prev-images-dir',
    words: DUMPS,
    because: 'an absolute --prev-images-dir is stored as it is',
    applies: (settings) => lastValue(settings, 'prev-images-dir')?.startsWith('/') === true,
  },
  {
    option: 'cpu-cap',
    words: ['dump', 'restore', 'cpuinfo'],
    because: '--cpu-cap=none cannot be said over RPC',
    applies: (settings) => (settings.get('cpu-cap')?.values ?? []).some((value) => value?.includes('none') === true),
  },
];

/** Decides from what was asked alone: no I/O, no look at the host. */
export function route(word: CriuWord, settings: Settings): Route {
  const theirs = word === 'page-server' && !isOn(settings, 'lazy-pages') ? RECEIVING : THEIRS[word];
  if (theirs !== undefined) return { kind: 'criu', because: [theirs] };
  const because = RULES.filter((rule) => rule.words.includes(word) && holds(rule, settings)).map(
    (rule) => rule.because,
  );
  const operation = OURS[word];
  if (because.length > 0 || operation === undefined) return { kind: 'criu', because };
  return { kind: 'frazil', operation };
}

function holds({ option, applies }: Rule, settings: Settings): boolean {
  return applies === undefined ? isOn(settings, option) : applies(settings);
}
