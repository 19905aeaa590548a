// Shows an operation's progress while it runs: one line that is redrawn on a terminal, one JSON object per event for programs.

import type { Operation } from '../criu/operation.js';
import type { Context } from './context.js';
import { progressLine, type Snapshot } from './print/progress.js';

/** Resolves or rejects as the operation does. */
export async function follow<P extends Snapshot, R>(
  run: Operation<P, R>,
  { terminal, preferences }: Context,
): Promise<R> {
  const { json, progress, quiet } = preferences;
  const shown = progress || (terminal.isInteractive && !json && !quiet);
  try {
    if (!shown) return await run.done;
    for await (const snapshot of run) {
      if (json) terminal.printJson({ event: 'progress', ...snapshot });
      else terminal.status(progressLine(snapshot));
    }
    return await run.done;
  } finally {
    terminal.clear();
  }
}
