// images verify, dedup and squash: what concerns a chain as a whole.

import { squash } from '../../../criu/image-verbs.js';
import { dedup } from '../../../images/dedup.js';
import { type ChainProblem, type ChainReport, verifyChain } from '../../../images/verify-chain.js';
import type { Context, OwnInvocation } from '../../context.js';
import { EXIT } from '../../exit-code.js';
import { follow } from '../../follow.js';
import { bytes, count } from '../../print/units.js';
import { UsageError } from '../../usage-error.js';

const PAGE_BYTES = 4096;

/** 0 when the chain is whole. */
export async function runVerify({ operands }: OwnInvocation, context: Context): Promise<number> {
  const [dir] = directories('verify', operands, 1);
  const report = await verifyChain(dir, { signal: context.interruption.signal });
  if (context.preferences.json) context.terminal.printJson(report);
  else for (const line of reportLines(report)) context.terminal.print(line);
  return report.problems.length === 0 ? EXIT.done : EXIT.failed;
}

function reportLines({ imagesDir, depth, restorable, pages, parentPages, problems }: ChainReport): readonly string[] {
  if (problems.length > 0) return [`${imagesDir} is not whole:`, ...problems.map(problemLine)];
  const kind = restorable ? 'a checkpoint' : 'a pre-dump (it cannot be restored, only stood on)';
  const levels = depth === 1 ? 'without parents' : `with ${depth - 1} ${depth === 2 ? 'parent' : 'parents'}`;
  return [`${imagesDir} is whole: ${kind} ${levels}, ${count(pages)} pages, ${count(parentPages)} of them in parents`];
}

function problemLine({ path, what }: ChainProblem): string {
  return `  ${path}: ${what}`;
}

export async function runDedup(
  { operands }: OwnInvocation,
  { terminal, preferences, interruption }: Context,
): Promise<number> {
  const [dir] = directories('dedup', operands, 1);
  const report = await dedup(dir, { signal: interruption.signal });
  if (preferences.json) terminal.printJson(report);
  else
    terminal.print(
      `Freed ${count(report.deduplicatedPages)} pages (${bytes(report.deduplicatedPages * PAGE_BYTES)}) in ${report.depth - 1} parents`,
    );
  return EXIT.done;
}

export async function runSquash({ operands }: OwnInvocation, context: Context): Promise<number> {
  const [dir, to] = directories('squash', operands, 2);
  const report = await follow(squash(dir, to, { signal: context.interruption.signal }), context);
  const { terminal, preferences } = context;
  if (preferences.json) terminal.printJson(report);
  else if (!preferences.quiet)
    terminal.print(
      `${to}: ${report.depth} levels in one, ${count(report.pages)} pages, ${count(report.parentPages)} of them from parents`,
    );
  return EXIT.done;
}

/** Exactly so many operands. */
export function directories(verb: string, operands: readonly string[], wanted: 1 | 2): readonly [string, string] {
  const [first, second = ''] = operands;
  if (first !== undefined && operands.length === wanted) return [first, second];
  const what = wanted === 1 ? 'one images directory' : 'two directories';
  throw new UsageError(`images ${verb} needs ${what}`, `images ${verb}`);
}
