// Frazil's own options, beside CRIU's.

import type { Occurrence } from './getopt.js';
import { lastValue, settle } from './settings.js';

export interface Preferences {
  readonly json: boolean;
  readonly progress: boolean;
  readonly quiet: boolean;
  readonly sync: boolean;
  readonly criu?: string;
  readonly absorb?: Absorb;
  readonly session?: SessionKind;
}

const ABSORB = ['always', 'never', 'auto'] as const;
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
  return {
    json: settings.has('json'),
    progress: settings.has('progress'),
    quiet: settings.has('quiet'),
    sync: settings.has('sync'),
    ...(criu === undefined ? {} : { criu }),
    ...(absorb === undefined ? {} : { absorb }),
    ...(kind === undefined ? {} : { session: oneOf('--session', kind, SESSIONS) }),
  };
}

function oneOf<const C extends readonly string[]>(option: string, value: string, allowed: C): C[number] {
  const found = allowed.find((one) => one === value);
  if (found === undefined) throw new RangeError(`${option}: one of ${allowed.join(', ')} expected, not "${value}"`);
  return found;
}
