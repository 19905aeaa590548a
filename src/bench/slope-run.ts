/** One run of a restore at several sizes, one after the other: what a gibibyte adds to the time until the first instruction. */
import { PAGE_BYTES } from './host/target.js';
import { openFolders } from './host/workspace.js';
import type { RestorePeer } from './peers/peer.js';
import { runRestore } from './restore-run.js';
import type { RunJob, RunOutcome } from './run.js';
import { type Point, slope } from './statistics/slope.js';

const GIB = 2 ** 30;

/** The figures of the last size and the slope; the samples have the first instructions of all. Throws as runRestore(). */
export async function runSlope(peer: RestorePeer, job: RunJob): Promise<RunOutcome> {
  const { sizeShares = [1], ...scenario } = job.scenario;
  const points: Point[] = [];
  let last: RunOutcome | undefined;
  for (const [i, share] of sizeShares.entries()) {
    const sizeBytes = Math.round((scenario.sizeBytes * share) / PAGE_BYTES) * PAGE_BYTES;
    const folders = await openFolders(job.folders, String(i));
    last = await runRestore(peer, { ...job, scenario: { ...scenario, sizeBytes }, folders });
    // The next needs the memory.
    await folders.remove();
    const { first } = last.figures;
    if (first !== undefined) points.push({ x: sizeBytes / GIB, y: first });
  }
  if (last === undefined) throw new RangeError('Cannot measure a slope of no sizes');
  const figures = { ...last.figures, firstPerGib: slope(points) };
  return { ...last, figures, samples: { first: points.map(({ y }) => y) } };
}
