// Where the parts of an overlay lie: what a container has written (upper), and the layers of its image (lower).

import { readFile, realpath } from 'node:fs/promises';
import { resolve } from 'node:path';
import { CheckpointError } from '../../errors/checkpoint-error.js';

export interface Overlay {
  readonly upper: string;
  /** The topmost first. */
  readonly lowers: readonly string[];
  /** Where all of it is mounted: contents are read there, which is right whatever the overlay keeps where. */
  readonly merged?: string;
}

/**
 * A mount point; or the options that the overlay is mounted with, as an engine tells them ("lowerdir=/l2:/l1,upperdir=/u"). Throws RangeError
 * for options without both, IO for a path that is no overlay, or one whose layers the kernel does not say.
 */
export async function overlayAt(given: string): Promise<Overlay> {
  if (given.includes('upperdir=')) return partsOf(given, given);
  const path = await realpath(given).catch((cause: NodeJS.ErrnoException) => {
    throw noOverlay(given, cause.code ?? 'unknown');
  });
  const lines = (await readFile('/proc/self/mountinfo', 'utf8')).split('\n');
  // The last one lies on top.
  const line = lines.findLast((one) => unescaped(one.split(' ')[4] ?? '') === path);
  const [type, , options] = line?.split(' - ')[1]?.split(' ') ?? [];
  if (type !== 'overlay' || options === undefined)
    throw noOverlay(
      given,
      'it is not the mount point of an overlay. Pass its options instead: lowerdir=A:B,upperdir=C',
    );
  return { ...partsOf(unescaped(options), given), merged: path };
}

// Commas and colons in paths are escaped by a backslash, also in what the kernel shows.
function partsOf(options: string, given: string): Overlay {
  const values = new Map<string, string[]>();
  for (const option of split(options, ',')) {
    const [key = '', ...rest] = option.split('=');
    values.set(key, [...(values.get(key) ?? []), rest.join('=')]);
  }
  const uppers = (values.get('upperdir') ?? []).map(plain);
  const lowers = [...(values.get('lowerdir') ?? []), ...(values.get('lowerdir+') ?? [])].flatMap((one) =>
    split(one, ':').filter((path) => path !== ''),
  );
  const [upper] = uppers;
  if (upper === undefined || lowers.length === 0)
    throw new RangeError(`Cannot take "${given}" for an overlay: lowerdir= and upperdir= are needed`);
  // What was mounted with relative paths the kernel shows so, and it says not relative to what.
  const relative = [upper, ...lowers].find((path) => !path.startsWith('/'));
  if (relative !== undefined)
    throw noOverlay(given, `its part "${relative}" has no absolute path. Pass lowerdir=A:B,upperdir=C`);
  return { upper: resolve(upper), lowers: lowers.map((path) => resolve(plain(path))) };
}

function split(text: string, separator: ',' | ':'): readonly string[] {
  return text.split(separator === ',' ? /(?<!\\),/ : /(?<!\\):/);
}

function plain(path: string): string {
  return path.replace(/\\([,:\\])/g, '$1');
}

// proc_pid_mountinfo(5): space, tab, newline and backslash in octal.
function unescaped(text: string): string {
  return text.replace(/\\(\d{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}

function noOverlay(path: string, why: string): CheckpointError<'IO'> {
  return new CheckpointError('IO', `Cannot find out what has changed in "${path}": ${why}`, { path });
}
