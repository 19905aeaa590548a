// images ps, fds, mems, rss: what the tasks of a checkpoint are, have open, have mapped, and have in memory.

import { exploreFds, fdsLines } from '../../../images/explore/fds.js';
import { exploreMems, memsLines } from '../../../images/explore/mems.js';
import { explorePs, psLines } from '../../../images/explore/ps.js';
import { exploreRss, type Rss, rssLine } from '../../../images/explore/rss.js';
import type { Context, OwnInvocation } from '../../context.js';
import { EXIT } from '../../exit-code.js';
import { UsageError } from '../../usage-error.js';
import { inImages } from './place.js';

export const EXPLORERS = ['ps', 'fds', 'mems', 'rss'] as const;
export type Explorer = (typeof EXPLORERS)[number];

/** `images ps DIR` and so on. */
export function runExplorer(explorer: Explorer): (invocation: OwnInvocation, context: Context) => Promise<number> {
  return async ({ operands }, context) => {
    const [dir, ...surplus] = operands;
    if (dir === undefined || surplus.length > 0)
      throw new UsageError(`images ${explorer} needs one images directory or archive`, `images ${explorer}`);
    return explored(dir, explorer, context);
  };
}

/** crit's way of saying it: `images x DIR ps`. */
export async function runX({ operands }: OwnInvocation, context: Context): Promise<number> {
  const [dir, what, ...surplus] = operands;
  const explorer = EXPLORERS.find((one) => one === what);
  if (dir === undefined || explorer === undefined || surplus.length > 0)
    throw new UsageError(
      `images x needs an images directory or archive and one of ${EXPLORERS.join(', ')}`,
      'images x',
    );
  return explored(dir, explorer, context);
}

function explored(named: string, explorer: Explorer, context: Context): Promise<number> {
  const looking = { named, topic: `images ${explorer}`, pages: 'without' } as const;
  return inImages(looking, context, (dir) => SHOW[explorer](dir, context));
}

const SHOW: Readonly<Record<Explorer, (dir: string, context: Context) => Promise<number>>> = {
  ps: async (dir, context) => print(await explorePs(dir), psLines, context),
  fds: async (dir, context) => print(await exploreFds(dir), fdsLines, context),
  mems: async (dir, context) => print(await exploreMems(dir), memsLines, context),
  rss: showRss,
};

function print<T>(
  tasks: readonly T[],
  linesOf: (tasks: readonly T[]) => readonly string[],
  { terminal, preferences }: Context,
): number {
  if (preferences.json) terminal.print(JSON.stringify(tasks, addressText));
  else for (const line of linesOf(tasks)) terminal.print(line);
  return EXIT.done;
}

// A million runs are not one list: with --json each has a line of its own.
async function showRss(dir: string, { terminal, preferences, interruption }: Context): Promise<number> {
  let text = '';
  for await (const rss of exploreRss(dir, { signal: interruption.signal })) {
    text += `${preferences.json ? JSON.stringify(rss satisfies Rss, addressText) : rssLine(rss)}\n`;
    if (text.length < PIECE_CHARACTERS) continue;
    await terminal.write(text);
    text = '';
  }
  await terminal.write(text);
  return EXIT.done;
}

const PIECE_CHARACTERS = 65_536;

// Addresses of 64 bits are text, because most readers of JSON round them.
function addressText(_: string, value: unknown): unknown {
  return typeof value === 'bigint' ? `0x${value.toString(16)}` : value;
}
