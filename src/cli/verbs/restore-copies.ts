// restore --copies: several trees out of one checkpoint.

import type { Archive } from '../../archive/archive.js';
import { type CopiesCall, type RestoreCall, restore } from '../../criu/restore.js';
import type { ImagesDirectory } from '../../criu/target.js';
import type { Context } from '../context.js';
import { EXIT } from '../exit-code.js';
import { follow } from '../follow.js';
import { millis } from '../print/units.js';
import { UsageError } from '../usage-error.js';
import { watchFill } from './lazily.js';
import { settling } from './shared.js';

interface CopiesAsked {
  readonly source: ImagesDirectory | Archive;
  readonly call: RestoreCall;
  readonly copies: number;
  readonly detached: boolean | undefined;
  readonly imagesDir: string;
  /** Of performance.now(). */
  readonly begun: number;
}

export async function runCopies(
  { source, call, copies, detached, imagesDir, begun }: CopiesAsked,
  context: Context,
): Promise<number> {
  if (call.as !== undefined) throw new UsageError('--copies restores what is there, unchanged', 'restore');
  const { as: _, ...rest } = call;
  const wanted: CopiesCall = { ...rest, copies };
  const { trees, filling } = await follow(
    settling('restore', () => restore(source, wanted)),
    context,
  );
  const wallMs = Math.round(performance.now() - begun);
  const { terminal, preferences } = context;
  const pids = trees.map(({ pid }) => pid);
  if (!preferences.json && !preferences.quiet)
    terminal.say(
      `Restored ${copies === 1 ? '1 copy' : `${copies} copies`} of ${imagesDir} in ${millis(wallMs)}: processes ${pids.join(', ')}`,
    );
  const fill = await watchFill(
    { filling, ...(copies === 1 ? { of: '1 copy' } : { of: `${copies} copies`, several: true }) },
    context,
  );
  const exited = detached === true ? {} : { exited: await Promise.all(trees.map((tree) => tree.exited)) };
  if (preferences.json) terminal.printJson({ pids, imagesDir, wallMs, ...fill, ...exited });
  return EXIT.done;
}
