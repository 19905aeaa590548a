import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { ADDON } from '../../../src/addon/load.js';
import { openFds, threadCount } from './open-fds.js';

const WORKERS = 30;
const JOBS = 20;

describe('a worker that is terminated in the middle of its jobs', () => {
  it(`neither crashes nor leaves fds or threads behind, ${WORKERS} times with ${JOBS} jobs`, async () => {
    await runAndTerminate(); // what Node itself opens once, for its first worker
    const [fds, threads] = [openFds(), threadCount()];
    for (let i = 0; i < WORKERS; ++i) await runAndTerminate();
    expect(openFds()).toEqual(fds);
    await until(() => threadCount() <= threads);
  });

  it('neither does so when all of them end at once', async () => {
    const [fds, threads] = [openFds(), threadCount()];
    const workers = await Promise.all(Array.from({ length: 8 }, start));
    await Promise.all(workers.map((worker) => worker.terminate()));
    expect(openFds()).toEqual(fds);
    await until(() => threadCount() <= threads);
  });

  it('neither does so when it is still loading the addon or starting its jobs', async () => {
    const [fds, threads] = [withoutScripts(), threadCount()];
    for (let i = 0; i < WORKERS; ++i) {
      const worker = newWorker();
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

function newWorker(): Worker {
  return new Worker(new URL('./job-in-worker.mjs', import.meta.url), { workerData: { addon: ADDON, jobs: JOBS } });
}

async function start(): Promise<Worker> {
  const worker = newWorker();
  await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
  return worker;
}

async function runAndTerminate(): Promise<void> {
  const worker = await start();
  await worker.terminate();
}

// A joined thread leaves /proc a moment after its join.
async function until(holds: () => boolean): Promise<void> {
  const deadline = AbortSignal.timeout(5_000);
  while (!holds()) await delay(5, undefined, { signal: deadline });
}
