// archive list, verify, extract; create is in archive-create.ts.

import type { Archive } from '../../archive/archive.js';
import { extractArchive, listArchive, verifyArchive } from '../../archive/lazily.js';
import type { ArchiveSummary } from '../../archive/read/walk.js';
import type { Context, OwnInvocation } from '../context.js';
import { EXIT } from '../exit-code.js';
import { follow } from '../follow.js';
import { lastValue } from '../parse/settings.js';
import { bytes, count } from '../print/units.js';
import { UsageError } from '../usage-error.js';
import { namedArchive } from './archive-keys.js';
import { settling } from './shared.js';

const ACTIONS = ['list', 'verify', 'extract'] as const;
type Action = (typeof ACTIONS)[number];

export async function runArchive({ settings, operands }: OwnInvocation, context: Context): Promise<number> {
  const [word, path, ...surplus] = operands;
  if (word === 'create')
    return (await import('./archive-create.js')).runCreateVerb(settings, operands.slice(1), context);
  const action = ACTIONS.find((one) => one === word);
  if (action === undefined)
    throw new UsageError(`archive needs one of create, ${ACTIONS.join(', ')} as its action`, 'archive');
  if (path === undefined || surplus.length > 0)
    throw new UsageError(`archive ${action} needs one archive, or - for standard input`, 'archive');
  const directory = lastValue(settings, 'directory');
  if ((directory === undefined) === (action === 'extract'))
    throw new UsageError('--directory belongs to archive extract, and must be there', 'archive');
  const given = await namedArchive(path, context.preferences.reading, 'archive');
  const summary = await perform(action, given, directory ?? '', context);
  print(action, summary, context);
  return EXIT.done;
}

async function perform(action: Action, given: Archive, directory: string, context: Context): Promise<ArchiveSummary> {
  const { signal } = context.interruption;
  switch (action) {
    case 'list':
      return follow(listArchive(given, { signal }), context);
    case 'verify':
      return follow(verifyArchive(given, { signal }), context);
    default:
      return follow(
        settling('archive', () => extractArchive(given, directory, { signal })),
        context,
      );
  }
}

function print(action: Action, summary: ArchiveSummary, { terminal, preferences }: Context): void {
  if (preferences.json) {
    terminal.printJson(summary);
    return;
  }
  if (action !== 'extract') for (const line of memberLines(summary)) terminal.print(line);
  if (!preferences.quiet) terminal.say(summaryLine(summary));
}

/** Name and size, and the digest where it was looked at: lines for people and for `sort`. */
export function memberLines({ members }: ArchiveSummary): readonly string[] {
  const width = Math.max(0, ...members.map((member) => String(member.bytes).length));
  return members.map(({ name, kind, bytes: size, sha256 }) => {
    const shown = kind === 'directory' ? `${name}/` : name;
    return [String(size).padStart(width), ...(sha256 === undefined ? [] : [sha256]), shown].join('  ');
  });
}

export function summaryLine(summary: ArchiveSummary): string {
  const { profile, compression, encrypted, members, bytes: size, sha256, signedBy, staleTail } = summary;
  const parts = [
    `${count(members.length)} ${members.length === 1 ? 'member' : 'members'}, ${bytes(size)}`,
    `profile ${profile}`,
    compression === 'none' ? 'not compressed' : compression,
    ...(encrypted ? ['encrypted'] : []),
    sha256 === undefined ? 'no index' : `sha256 ${sha256}`,
    ...(signedBy === undefined ? [] : [signature(signedBy)]),
    ...(staleTail ? ['bytes of an older file follow its end'] : []),
  ];
  return parts.join(', ');
}

function signature({ kind, publicKey }: NonNullable<ArchiveSummary['signedBy']>): string {
  return kind === 'trusted' ? `signed by ${publicKey}` : `signed by ${publicKey}, which nobody vouches for`;
}
