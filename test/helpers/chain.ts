// One story of a memory that changes between pre-dumps, and the ways to take its chain of images directories.
//
// The changes are such that a page restored from the wrong link shows: written again, made zero (a hole whose parent still has
// contents), made zero and written again, mapped for the first time.

import { join } from 'node:path';
import { type RealCriu, runCriu } from './criu-cli.js';
import { startPageServer } from './page-server.js';
import { waitGone } from './procfs.js';
import { storedPages } from './stored-pages.js';
import { startTarget, type Target } from './target.js';
import type { TempDir } from './temp-dir.js';

export interface Link {
  readonly verb: 'pre-dump' | 'dump';
  readonly pid: number;
  /** Exists, is empty. Its name is the link's number. */
  readonly images: string;
  /** The path of the link before, relative to `images`. */
  readonly parent: string | undefined;
}

export interface Verified {
  readonly pages: number;
  readonly zero: number;
  readonly broken: number;
  readonly generations: Readonly<Record<string, number>>;
  readonly digest: string;
}

export interface Chain {
  readonly links: readonly Link[];
  /** What the memory held when the last link was taken. */
  readonly before: Verified;
  /** For each link, how each page of the target's first arena is stored. */
  readonly stored: readonly (readonly (string | undefined)[])[];
}

/** The questions put to the `dirtier` before each link. */
const STORY: readonly (readonly string[])[] = [
  [],
  ['touch 100 300', 'drop 500 50', 'map 1'],
  ['touch 200 100', 'touch 510 10', 'drop 0 10'],
];
const MEGABYTES = 4;

export async function startDirtier(dir: TempDir): Promise<Target> {
  const control = join(dir.path, 'control');
  // Without address randomisation two runs have the same layout, and their directories can be compared.
  const through = ['setarch', '-R'];
  return startTarget('dirtier', [control, String(MEGABYTES)], { control, through });
}

/** Plays the story on `target`, taking each link with `take`. The target is dead afterwards. */
export async function takeChain(dir: TempDir, target: Target, take: (link: Link) => Promise<void>): Promise<Chain> {
  const links: Link[] = [];
  const { arenas } = await target.ask<{ arenas: { at: string; pages: number }[] }>('where');
  let before: Verified | undefined;
  for (const [index, questions] of STORY.entries()) {
    for (const question of questions) await target.ask(question);
    before = await target.ask<Verified>('verify');
    const verb = index === STORY.length - 1 ? 'dump' : 'pre-dump';
    const parent = index === 0 ? undefined : `../${index - 1}`;
    const link: Link = { verb, pid: target.pid, images: dir.folder(String(index)), parent };
    await take(link);
    links.push(link);
  }
  await waitGone([target.pid]);
  const { at = '0', pages = 0 } = arenas[0] ?? {};
  const stored = await Promise.all(links.map(({ images, pid }) => storedPages(images, pid, BigInt(`0x${at}`), pages)));
  if (before === undefined) throw new Error('The story has no links');
  return { links, before, stored };
}

/** Takes a link with criu, writing into the directory itself. */
export function byCriu(criu: RealCriu, { autoDedup }: { autoDedup: boolean }): (link: Link) => Promise<void> {
  return async (link) => runCriu(criu, link.verb, link.images, wordsOf(link, autoDedup));
}

/** Takes a link with criu, whose pages go to criu's own page server, which writes them into the same directory. */
export function byPageServer(criu: RealCriu, { autoDedup }: { autoDedup: boolean }): (link: Link) => Promise<void> {
  return async (link) => {
    const parent = link.parent === undefined ? [] : ['--prev-images-dir', link.parent];
    const dedup = autoDedup ? ['--auto-dedup'] : [];
    const { port, done } = await startPageServer(criu, link.images, [...parent, ...dedup]);
    const sink = ['--page-server', '--address', '127.0.0.1', '--port', port];
    await runCriu(criu, link.verb, link.images, [...wordsOf(link, false), ...sink]);
    await done;
  };
}

function wordsOf({ pid, parent }: Link, autoDedup: boolean): string[] {
  const words = ['-t', String(pid), '--track-mem'];
  if (parent !== undefined) words.push('--prev-images-dir', parent);
  if (autoDedup) words.push('--auto-dedup');
  return words;
}

/** "data×100 punched×200 ...": one word for each stretch of pages that are stored alike. */
export function summary(pages: readonly (string | undefined)[]): string {
  const words: { kind: string; count: number }[] = [];
  for (const page of pages) {
    const kind = page ?? 'absent';
    const last = words.at(-1);
    if (last?.kind === kind) last.count += 1;
    else words.push({ kind, count: 1 });
  }
  return words.map(({ kind, count }) => `${kind}×${count}`).join(' ');
}
