// After the commit of a migration that has left pages behind: they are given out until the copy has all, or is lost.

import { CheckpointError } from '../../errors/checkpoint-error.js';
import type { SourceChannel } from '../wire/connect.js';
import type { Commit, Outcome } from './commit.js';
import { keepImages } from './keep.js';
import type { LeftBehind } from './left-behind.js';
import type { Opened } from './opened.js';
import type { LeftReport } from './options.js';

export interface Filling {
  readonly left: LeftBehind | undefined;
  readonly commit: Commit;
  readonly outcome: Extract<Outcome, { kind: 'moved' }>;
}

export interface Filled {
  readonly report: LeftReport;
  /** On which the destination has said so. */
  readonly channel: SourceChannel;
}

const PERIOD_MS = 100;

/** `undefined` when nothing was left behind. Rejects with LEFT_LOST. */
export async function filled(run: Opened, { left, commit, outcome }: Filling): Promise<Filled | undefined> {
  if (left === undefined) return undefined;
  const { work, begun, sender, plan } = run;
  const leftBytes = sender.counters().leftPages * PAGE;
  const report = (): LeftReport => ({ ...left.given(), leftBytes, ms: performance.now() - outcome.at.running });
  if (outcome.whole) return { channel: outcome.channel, report: report() };
  const tell = (): void => {
    const { bytes } = left.given();
    work.emit({ phase: 'filling', elapsedMs: performance.now() - begun, bytes, totalBytes: leftBytes });
  };
  const timer = setInterval(tell, PERIOD_MS);
  try {
    tell();
    const fill = await commit.filled();
    if (fill.kind === 'filled') return { channel: fill.channel, report: report() };
    const { rescueTo } = plan.options;
    if (rescueTo !== undefined) await keepImages(left.images, rescueTo);
    await fill.channel?.send({ type: 'done' });
    throw lost(plan.pid, fill.why, rescueTo);
  } finally {
    clearInterval(timer);
  }
}

const PAGE = 4096;

function lost(pid: number, why: string, rescuedTo: string | undefined): CheckpointError<'LEFT_LOST'> {
  const state =
    rescuedTo === undefined
      ? 'It runs nowhere any more. Pass rescueTo to have its last state here kept'
      : `Its last state here is in "${rescuedTo}": restore it when you are sure that it does not run there`;
  const message = `Cannot finish the migration of process ${pid}: the copy was lost before it had all of its pages: ${why}. ${state}`;
  return new CheckpointError('LEFT_LOST', message, { pid, ...(rescuedTo === undefined ? {} : { rescuedTo }) });
}
