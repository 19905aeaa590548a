// archive create: an archive of an images directory.

import { type CreateCall, type CreateOptions, createArchive } from '../../archive/create/call.js';
import type { CreateReport } from '../../archive/create/create.js';
import type { Context } from '../context.js';
import { EXIT } from '../exit-code.js';
import { follow } from '../follow.js';
import { lastValue, type Settings } from '../parse/settings.js';
import { bytes, millis } from '../print/units.js';
import { UsageError } from '../usage-error.js';
import { passphraseIn, textOf } from './archive-keys.js';
import { settling } from './shared.js';

export async function runCreateVerb(settings: Settings, surplus: readonly string[], context: Context): Promise<number> {
  const imagesDir = lastValue(settings, 'images-dir');
  const output = lastValue(settings, 'output');
  if (imagesDir === undefined || output === undefined || surplus.length > 0)
    throw new UsageError('archive create needs --images-dir and --output, and takes no operand', 'archive');
  const call: CreateCall = {
    ...(await optionsOf(settings, context)),
    to: output === '-' ? { fd: 1 } : output,
    // As tar does.
    replace: true,
    signal: context.interruption.signal,
  };
  const report = await follow(
    settling('archive', () => createArchive(imagesDir, call)),
    context,
  );
  say(report, output, context);
  return EXIT.done;
}

async function optionsOf(settings: Settings, { preferences: { reading } }: Context): Promise<CreateOptions> {
  const workDir = lastValue(settings, 'work-dir');
  const signWith = lastValue(settings, 'sign-with');
  const { passphraseFile, digests } = reading;
  const recipients = valuesOf(settings, 'recipient');
  return {
    profile: oneOf(settings, 'profile', ['neutral', 'podman', 'cri-o', 'containerd'] as const) ?? 'neutral',
    members: valuesOf(settings, 'add').map((text) => pairOf('add', text)),
    recipients,
    digests,
    index: !settings.has('no-index'),
    sync: settings.has('sync'),
    ...given('compress', oneOf(settings, 'compress', ['none', 'zstd', 'lz4', 'gzip'] as const)),
    ...given('level', numberOf(settings, 'level')),
    ...given('threads', numberOf(settings, 'threads')),
    ...given('rootfs', lastValue(settings, 'rootfs')),
    ...given('shm', lastValue(settings, 'shm')),
    volumes: valuesOf(settings, 'volume').map((text) => pairOf('volume', text)),
    ...given('workDir', workDir),
    ...given('signingKey', signWith === undefined ? undefined : await textOf(signWith)),
    ...given('passphrase', passphraseFile === undefined ? undefined : await passphraseIn(passphraseFile)),
  };
}

function given<K extends string, V>(key: K, value: V | undefined): { readonly [P in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { readonly [P in K]: V });
}

function valuesOf(settings: Settings, name: string): readonly string[] {
  return (settings.get(name)?.values ?? []).filter((value) => value !== undefined);
}

function pairOf(option: 'add' | 'volume', text: string): { readonly name: string; readonly path: string } {
  const equals = text.indexOf('=');
  if (equals < 1 || equals === text.length - 1)
    throw new UsageError(`--${option}: NAME=${option === 'add' ? 'FILE' : 'DIR'} expected, not "${text}"`, 'archive');
  return { name: text.slice(0, equals), path: text.slice(equals + 1) };
}

function numberOf(settings: Settings, name: string): number | undefined {
  const text = lastValue(settings, name);
  if (text === undefined) return undefined;
  if (!/^-?\d+$/.test(text)) throw new UsageError(`--${name}: a number expected, not "${text}"`, 'archive');
  return Number(text);
}

function oneOf<const C extends readonly string[]>(settings: Settings, name: string, allowed: C): C[number] | undefined {
  const text = lastValue(settings, name);
  const found = allowed.find((one) => one === text);
  if (text !== undefined && found === undefined)
    throw new UsageError(`--${name}: one of ${allowed.join(', ')} expected, not "${text}"`, 'archive');
  return found;
}

// On standard output is the archive then.
function say(report: CreateReport, output: string, { terminal, preferences }: Context): void {
  const { path, members, bytes: size, fileBytes, wallMs } = report;
  if (preferences.json) {
    if (output === '-') terminal.say(JSON.stringify(report));
    else terminal.printJson(report);
  } else if (!preferences.quiet) {
    const file = fileBytes === undefined || fileBytes === size ? '' : `, ${bytes(fileBytes)} in the file`;
    terminal.say(`Archived ${members} members, ${bytes(size)}${file}, into ${path} in ${millis(wallMs)}`);
  }
}
