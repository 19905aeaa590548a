// Frazil's own options, beside CRIU's.

import type { RewriteRules } from '../../images/rewrite/rules.js';
import type { Occurrence } from './getopt.js';
import { rulesOf } from './rewriting.js';
import { lastValue, type Settings, settle } from './settings.js';
import { sizeOf } from './size.js';

export interface LazyPreferences {
  readonly lazy: boolean;
  readonly copies?: number;
  readonly record?: string;
  readonly replay?: string;
  readonly bytesPerSecond?: number;
  readonly cacheBytes?: number;
}

export interface Preferences extends LazyPreferences {
  readonly json: boolean;
  readonly progress: boolean;
  readonly quiet: boolean;
  readonly sync: boolean;
  readonly criu?: string;
  readonly absorb?: Absorb;
  readonly session?: SessionKind;
  readonly reading: ArchiveReading;
  /** What a restored tree is to wake up as. */
  readonly as?: RewriteRules;
  /** Where a server of pages puts the small images. */
  readonly small?: string;
  /** Restore as a runtime's container: what was said of one. */
  readonly into: IntoContainer;
}

export interface IntoContainer {
  readonly container?: string;
  readonly bundle?: string;
  readonly rootfs?: string;
  readonly runtime?: (typeof RUNTIMES)[number];
  readonly root?: string;
}

/** What is needed and demanded to read an archive, as files that hold it. */
export interface ArchiveReading {
  readonly identityFiles: readonly string[];
  readonly passphraseFile?: string;
  readonly signerFiles: readonly string[];
  readonly requireEncryption: boolean;
  readonly digests: boolean;
}

const ABSORB = ['always', 'never', 'auto'] as const;
const RUNTIMES = ['runc', 'crun'] as const;
const SESSIONS = ['swrk', 'libcriu'] as const;
export type Absorb = (typeof ABSORB)[number];
export type SessionKind = (typeof SESSIONS)[number];

/** Throws RangeError for a value that is none of those allowed. */
export function preferences(own: readonly Occurrence[]): Preferences {
  const settings = settle(own);
  const criu = lastValue(settings, 'criu');
  const absorb = settings.has('absorb')
    ? oneOf('--absorb', lastValue(settings, 'absorb') ?? 'always', ABSORB)
    : undefined;
  const kind = lastValue(settings, 'session');
  const as = rulesOf(settings);
  const small = lastValue(settings, 'small');
  return {
    json: settings.has('json'),
    progress: settings.has('progress'),
    quiet: settings.has('quiet'),
    sync: settings.has('sync'),
    reading: readingOf(settings),
    into: intoOf(settings),
    ...lazyOf(settings),
    ...(criu === undefined ? {} : { criu }),
    ...(as === undefined ? {} : { as }),
    ...(small === undefined ? {} : { small }),
    ...(absorb === undefined ? {} : { absorb }),
    ...(kind === undefined ? {} : { session: oneOf('--session', kind, SESSIONS) }),
  };
}

function intoOf(settings: Settings): IntoContainer {
  const values = {
    container: lastValue(settings, 'container'),
    bundle: lastValue(settings, 'bundle'),
    rootfs: lastValue(settings, 'rootfs'),
    root: lastValue(settings, 'runtime-root'),
  };
  const runtime = lastValue(settings, 'runtime');
  return {
    ...(Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as IntoContainer),
    ...(runtime === undefined ? {} : { runtime: oneOf('--runtime', runtime, RUNTIMES) }),
  };
}

const MIN_RATE = 1024;

function lazyOf(settings: Settings): LazyPreferences {
  const record = lastValue(settings, 'record');
  const replay = lastValue(settings, 'replay');
  const rate = lastValue(settings, 'fill-rate');
  const cache = lastValue(settings, 'cache');
  const copies = lastValue(settings, 'copies');
  return {
    lazy: settings.has('lazy'),
    ...(copies === undefined ? {} : { copies: copiesOf(copies) }),
    ...(record === undefined ? {} : { record }),
    ...(replay === undefined ? {} : { replay }),
    ...(rate === undefined ? {} : { bytesPerSecond: sizeOf('--fill-rate', rate, MIN_RATE) }),
    ...(cache === undefined ? {} : { cacheBytes: sizeOf('--cache', cache) }),
  };
}

function copiesOf(value: string): number {
  if (!/^[1-9]\d{0,2}$/.test(value)) throw new RangeError(`--copies: a number from 1 to 999 expected, not "${value}"`);
  return Number(value);
}

function readingOf(settings: Settings): ArchiveReading {
  const files = (name: string): readonly string[] =>
    (settings.get(name)?.values ?? []).filter((value) => value !== undefined);
  const passphraseFile = lastValue(settings, 'passphrase-file');
  return {
    identityFiles: files('identity'),
    signerFiles: files('require-signature'),
    requireEncryption: settings.has('require-encryption'),
    digests: !settings.has('no-digests'),
    ...(passphraseFile === undefined ? {} : { passphraseFile }),
  };
}

function oneOf<const C extends readonly string[]>(option: string, value: string, allowed: C): C[number] {
  const found = allowed.find((one) => one === value);
  if (found === undefined) throw new RangeError(`${option}: one of ${allowed.join(', ')} expected, not "${value}"`);
  return found;
}
