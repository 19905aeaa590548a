// Run in a process of its own by the peer `frazil-library`: one dump by the library, and what only this process can say of it. The
// modules are loaded before the clock starts: a service that embeds Frazil pays for them once.

import { readFileSync } from 'node:fs';
import { dump } from '../../criu/dump.js';
import { imagesDirectory } from '../../criu/target.js';

const [job = '{}'] = process.argv.slice(2);
const { pid, imagesDir, workDir, leaveRunning } = parseJob(job);

const residentBefore = statusBytes('VmRSS');
const began = process.hrtime.bigint();
const report = await dump(pid, { to: imagesDirectory(imagesDir), workDir, leaveRunning }).done;
const callUs = Number(process.hrtime.bigint() - began) / 1000;
const growthBytes = Math.max(0, statusBytes('VmHWM') - residentBefore);

process.stdout.write(`${JSON.stringify({ callUs, growthBytes, userBytes: report.bytesUser })}\n`);

interface Job {
  readonly pid: number;
  readonly imagesDir: string;
  readonly workDir: string;
  readonly leaveRunning: boolean;
}

function parseJob(text: string): Job {
  const parsed: unknown = JSON.parse(text);
  if (typeof parsed !== 'object' || parsed === null) throw new TypeError(`Cannot read the job "${text}"`);
  const { pid, imagesDir, workDir, leaveRunning }: Partial<Record<keyof Job, unknown>> = parsed;
  return {
    pid: Number(pid),
    imagesDir: String(imagesDir),
    workDir: String(workDir),
    leaveRunning: leaveRunning === true,
  };
}

/** A line of /proc/self/status, which counts in KiB. VmHWM is the most that was ever resident, loading of modules included. */
function statusBytes(field: 'VmRSS' | 'VmHWM'): number {
  const kib = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
  return Number(kib) * 1024;
}
