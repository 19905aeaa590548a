// Frazil's verbs as tests use them: on a target, with everything ended when the block is left.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type CaptureReport, type DumpCall, dump } from '../../src/criu/dump.js';
import { type RestoreCall, restore } from '../../src/criu/restore.js';
import { imagesDirectory } from '../../src/criu/target.js';
import type { Tree } from '../../src/criu/tree.js';
import { waitGone } from './procfs.js';
import type { Target } from './target.js';

/** Dumps the target into `images`. Unless it runs on, waits until its pids are free again. */
export async function dumpTo(images: string, target: Target, call: Omit<DumpCall, 'to'>): Promise<CaptureReport> {
  const pids = target.tree();
  const report = await dump(target.pid, { to: imagesDirectory(images), ...call }).done;
  if (call.leaveRunning !== true) await waitGone(pids);
  return report;
}

/** Restores `images`. */
export async function restoreFrom(images: string, call: RestoreCall): Promise<Tree> {
  return restore(imagesDirectory(images), call).done;
}

/** Whether criu, and so anybody, would take the directory for a checkpoint. */
export function looksWhole(images: string): boolean {
  return existsSync(join(images, 'inventory.img'));
}
