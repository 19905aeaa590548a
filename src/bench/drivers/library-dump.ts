// Run in a process of its own by the peers `frazil-library` and `frazil-service`: one dump by the library, and what only this process can
// say of it. The modules are loaded before the clock starts: a service that embeds Frazil pays for them once. One that `hasDumped` has
// paid for its first call, too: a dump of a process that does nothing.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { dump } from '../../criu/dump.js';
import { imagesDirectory } from '../../criu/target.js';
import type { Absorb } from '../../pages/store.js';

const [job = '{}'] = process.argv.slice(2);
const { pid, imagesDir, workDir, leaveRunning, absorb, hasDumped } = parseJob(job);

if (hasDumped) await dumpAnother(absorb);
const residentBefore = statusBytes('VmRSS');
const began = process.hrtime.bigint();
const report = await dump(pid, { to: imagesDirectory(imagesDir), workDir, leaveRunning, absorb }).done;
const callUs = Number(process.hrtime.bigint() - began) / 1000;
const growthBytes = Math.max(0, statusBytes('VmHWM') - residentBefore);

process.stdout.write(`${JSON.stringify({ callUs, growthBytes, userBytes: report.bytesUser })}\n`);

interface Job {
  readonly pid: number;
  readonly imagesDir: string;
  readonly workDir: string;
  readonly leaveRunning: boolean;
  readonly absorb: Absorb;
  readonly hasDumped: boolean;
}

/** In a folder of its own, so that nothing of it lies where this run's images are looked for. */
async function dumpAnother(absorb: Absorb): Promise<void> {
  const other = spawn('sleep', ['3600'], { stdio: 'ignore', detached: true });
  const ended = once(other, 'exit');
  const folder = await mkdtemp(join(tmpdir(), 'frazil-bench-'));
  try {
    if (other.pid === undefined) throw new Error('Cannot start "sleep" to dump it first');
    await dump(other.pid, { to: imagesDirectory(folder), leaveRunning: true, absorb }).done;
  } finally {
    other.kill('SIGKILL');
    await ended;
    await rm(folder, { recursive: true, force: true });
  }
}

function parseJob(text: string): Job {
  const parsed: unknown = JSON.parse(text);
  if (typeof parsed !== 'object' || parsed === null) throw new TypeError(`Cannot read the job "${text}"`);
  const { pid, imagesDir, workDir, leaveRunning, absorb, hasDumped }: Partial<Record<keyof Job, unknown>> = parsed;
  return {
    pid: Number(pid),
    imagesDir: String(imagesDir),
    workDir: String(workDir),
    leaveRunning: leaveRunning === true,
    absorb: absorb === 'never' ? 'never' : 'auto',
    hasDumped: hasDumped === true,
  };
}

/** A line of /proc/self/status, which counts in KiB. VmHWM is the most that was ever resident, loading of modules included. */
function statusBytes(field: 'VmRSS' | 'VmHWM'): number {
  const kib = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
  return Number(kib) * 1024;
}
