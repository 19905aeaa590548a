// What goes into an archive beside the images, and who may read it: the same flags for `archive create` and `checkpoint`.

import type { WriteOptions } from '../../archive/archive.js';
import { CODECS } from '../../archive/archive.js';
import type { ArchiveReading } from '../parse/preferences.js';
import { lastValue, type Settings } from '../parse/settings.js';
import { UsageError } from '../usage-error.js';
import { passphraseIn, textOf } from './archive-keys.js';

export interface ContentsFlags {
  readonly settings: Settings;
  readonly reading: ArchiveReading;
  /** The verb whose help is pointed to. */
  readonly topic: 'archive' | 'checkpoint';
}

export interface Contents extends WriteOptions {
  readonly passphrase?: string;
}

const PROFILES = ['neutral', 'podman', 'cri-o', 'containerd'] as const;

/** Throws UsageError, IO. */
export async function contentsOf({ settings, reading, topic }: ContentsFlags): Promise<Contents> {
  const wrong = (message: string): UsageError => new UsageError(message, topic);
  const signWith = lastValue(settings, 'sign-with');
  const { passphraseFile } = reading;
  return {
    members: valuesOf(settings, 'add').map((text) => pairOf(text, wrong(`--add: NAME=FILE expected, not "${text}"`))),
    volumes: valuesOf(settings, 'volume').map((text) =>
      pairOf(text, wrong(`--volume: NAME=DIR expected, not "${text}"`)),
    ),
    recipients: valuesOf(settings, 'recipient'),
    ...given('profile', oneOf(settings, 'profile', PROFILES, wrong)),
    ...given('compress', oneOf(settings, 'compress', ['none', ...CODECS] as const, wrong)),
    ...given('level', numberOf(settings, 'level', wrong)),
    ...given('threads', numberOf(settings, 'threads', wrong)),
    ...given('rootfs', lastValue(settings, 'rootfs')),
    ...given('shm', lastValue(settings, 'shm')),
    ...given('signingKey', signWith === undefined ? undefined : await textOf(signWith)),
    ...given('passphrase', passphraseFile === undefined ? undefined : await passphraseIn(passphraseFile)),
  };
}

type Wrong = (message: string) => UsageError;

export function given<K extends string, V>(key: K, value: V | undefined): { readonly [P in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { readonly [P in K]: V });
}

/** All that were given. */
export function valuesOf(settings: Settings, name: string): readonly string[] {
  return (settings.get(name)?.values ?? []).filter((value) => value !== undefined);
}

/** NAME=PATH, or `wrong` is thrown. */
export function pairOf(text: string, wrong: UsageError): { readonly name: string; readonly path: string } {
  const equals = text.indexOf('=');
  if (equals < 1 || equals === text.length - 1) throw wrong;
  return { name: text.slice(0, equals), path: text.slice(equals + 1) };
}

function numberOf(settings: Settings, name: string, wrong: Wrong): number | undefined {
  const text = lastValue(settings, name);
  if (text === undefined) return undefined;
  if (!/^-?\d{1,9}$/.test(text)) throw wrong(`--${name}: a whole number expected, not "${text}"`);
  return Number(text);
}

function oneOf<const C extends readonly string[]>(
  settings: Settings,
  name: string,
  allowed: C,
  wrong: Wrong,
): C[number] | undefined {
  const text = lastValue(settings, name);
  const found = allowed.find((one) => one === text);
  if (text !== undefined && found === undefined)
    throw wrong(`--${name}: one of ${allowed.join(', ')} expected, not "${text}"`);
  return found;
}
