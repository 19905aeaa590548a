import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { afterEach, describe, expect, it } from 'vitest';
import { ADDON } from '../../../src/addon/load.js';
import { openFds, threadCount } from './open-fds.js';

const WORKERS = 30;
const JOBS = 20;
/** Thirty starts of a worker take as long as the machine's other work lets them: 3 s alone, 30 s at a load of 14. */
const PATIENT = { timeout: 180_000 };

// vitest goes on to the next test when one has run out of time, but what that one awaits goes on too: its next worker would be
// counted there as fds that leaked. So a test starts none when its signal says that it is over, and none outlives it.
const living = new Set<Worker>();
afterEach(() => Promise.all([...living].map((worker) => worker.terminate())));

describe('a worker that is terminated in the middle of its jobs', () => {
  it(
    `neither crashes nor leaves fds or threads behind, ${WORKERS} times with ${JOBS} jobs`,
    PATIENT,
    async ({ signal }) => {
      await runAndTerminate(signal); // what Node itself opens once, for its first worker
      const [fds, threads] = [openFds(), threadCount()];
      for (let i = 0; i < WORKERS; ++i) await runAndTerminate(signal);
      expect(openFds()).toEqual(fds);
      await until(() => threadCount() <= threads);
    },
  );

  it('neither does so when all of them end at once', PATIENT, async ({ signal }) => {
    const [fds, threads] = [openFds(), threadCount()];
    const workers = await Promise.all(Array.from({ length: 8 }, () => start(signal)));
    await Promise.all(workers.map((worker) => worker.terminate()));
    expect(openFds()).toEqual(fds);
    await until(() => threadCount() <= threads);
  });

  it('neither does so when it is still loading the addon or starting its jobs', PATIENT, async ({ signal }) => {
    const [fds, threads] = [withoutScripts(), threadCount()];
    for (let i = 0; i < WORKERS; ++i) {
      const worker = newWorker(signal);
      worker.on('error', () => {}); // a module that is torn out of its load may complain
      await new Promise((resolve) => worker.once('online', resolve));
      await delay(i % 10); // the moment is what is tried here
      await worker.terminate();
    }
    expect(withoutScripts()).toEqual(fds);
    await until(() => threadCount() <= threads);
  });
});

// Node 20 itself leaves a module's file open when the worker ends while reading it.
function withoutScripts(): string[] {
  return openFds().filter((line) => !line.endsWith('.mjs'));
}

function newWorker(signal: AbortSignal): Worker {
  signal.throwIfAborted();
  const url = new URL('./job-in-worker.mjs', import.meta.url);
  const worker = new Worker(url, { workerData: { addon: ADDON, jobs: JOBS } });
  living.add(worker);
  worker.once('exit', () => living.delete(worker));
  return worker;
}

async function start(signal: AbortSignal): Promise<Worker> {
  const worker = newWorker(signal);
  await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
  return worker;
}

async function runAndTerminate(signal: AbortSignal): Promise<void> {
  const worker = await start(signal);
  await worker.terminate();
}

// A joined thread leaves /proc a moment after its join.
async function until(holds: () => boolean): Promise<void> {
  const deadline = AbortSignal.timeout(5_000);
  while (!holds()) await delay(5, undefined, { signal: deadline });
}
