// Run in a process of its own by the peer `frazil-lazy-library`: one lazy restore by the library, to the end of the fill. The modules are
// loaded before the clock starts: a service that embeds Frazil pays for them once.

import { version } from '../../criu/ask.js';
import { restore } from '../../criu/restore.js';
import { imagesDirectory } from '../../criu/target.js';

const [job = '{}'] = process.argv.slice(2);
const { imagesDir, workDir } = parseJob(job);

// What a service has behind it: the addon, the schema and the way of a restore are loaded with the first call that needs them.
await Promise.all([import('../../criu/lazy/begin.js'), import('../../criu/restore-chain.js'), version()]);
const beganUs = now();
const tree = await restore(imagesDirectory(imagesDir), { workDir, lazy: true }).done;
const report = await tree.filling?.done;
const callUs = now() - beganUs;

process.stdout.write(`${JSON.stringify({ beganUs, callUs, faults: report?.faults })}\n`);
// The tree is this process's child and is to live on.
process.exit(0);

/** CLOCK_REALTIME in microseconds, as the restored tree reads it. */
function now(): number {
  return (performance.timeOrigin + performance.now()) * 1000;
}

interface Job {
  readonly imagesDir: string;
  readonly workDir: string;
}

function parseJob(text: string): Job {
  const parsed: unknown = JSON.parse(text);
  if (typeof parsed !== 'object' || parsed === null) throw new TypeError(`Cannot read the job "${text}"`);
  const { imagesDir, workDir }: Partial<Record<keyof Job, unknown>> = parsed;
  return { imagesDir: String(imagesDir), workDir: String(workDir) };
}
