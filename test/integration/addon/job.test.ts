import { getEventListeners } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { runJob } from '../../../src/addon/job.js';
import { native } from '../../../src/addon/load.js';
import type { NativeJob } from '../../../src/addon/native-core.js';
import { receive, seqpacketPair } from '../../../src/addon/sockets.js';
import { openFds, threadCount } from './open-fds.js';

// Only the addon of `npm run check:native` has it.
type CountJob = (steps: number, onProgress?: () => void) => NativeJob<number, { readonly counted: number }>;
const countJob = (native() as { readonly countJob?: CountJob }).countJob;

describe('Job', () => {
  it('rejects with ABORTED, the reason as its cause, and removes its listener', async () => {
    const [here, there] = seqpacketPair();
    const controller = new AbortController();
    const job = receive(there, { signal: controller.signal });
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(1);
    const reason = new Error('enough');
    controller.abort(reason);
    await expect(job.done).rejects.toMatchObject({ code: 'ABORTED', cause: reason });
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
    here.close();
    there.close();
  });

  it('throws ABORTED before it starts when the signal is aborted already', () => {
    const [here, there] = seqpacketPair();
    const threads = threadCount();
    expect(() => receive(there, { signal: AbortSignal.abort() })).toThrowError(/Cannot receive a message: .*aborted/);
    expect(threadCount()).toBe(threads);
    here.close();
    there.close();
  });

  it('may be cancelled twice, also after its end, and leaves no fd when it has settled', async () => {
    const before = openFds();
    const [here, there] = seqpacketPair();
    const job = receive(there);
    job.cancel();
    job.cancel();
    await expect(job.done).rejects.toMatchObject({ code: 'ABORTED' });
    job.cancel();
    here.close();
    there.close();
    expect(openFds()).toEqual(before);
  });

  it('is not disturbed when the handle that it works on is closed', async () => {
    const [here, there] = seqpacketPair();
    const job = receive(there);
    there.close();
    here.close();
    expect(await job.done).toBeUndefined();
  });

  it('is cancelled and awaited by "await using"', async () => {
    const before = openFds();
    const [here, there] = seqpacketPair();
    {
      await using job = receive(there);
      expect(job.snapshot()).toBeUndefined();
    }
    here.close();
    there.close();
    expect(openFds()).toEqual(before);
  });

  it('throws TypeError, not IO, when it is misused', () => {
    const [here, there] = seqpacketPair();
    here.close();
    there.close();
    expect(() => receive(there)).toThrowError(TypeError);
  });
});

describe.skipIf(countJob === undefined)('Job with progress (needs the addon of check:native)', () => {
  const count = (steps: number, onProgress?: () => void) =>
    runJob('count', {}, () => countJob?.(steps, onProgress) ?? expect.unreachable());

  it('wakes JavaScript less often than it announces, and shows the final counters after its end', async () => {
    let woken = 0;
    const job = count(1_000_000, () => {
      ++woken;
    });
    expect(await job.done).toBe(1_000_000);
    expect(woken).toBeLessThan(500_000);
    await delay(20); // a turn of the loop frees the native half
    expect(job.snapshot()).toEqual({ counted: 1_000_000 });
    job.cancel();
    job.unref();
  });

  it('does not run ahead of a JavaScript that is busy: one wake-up waits, no more', async () => {
    let woken = 0;
    const job = count(Number.MAX_SAFE_INTEGER, () => {
      ++woken;
    });
    const until = Date.now() + 100;
    while (Date.now() < until);
    expect(woken).toBe(0);
    expect(job.snapshot().counted).toBeGreaterThan(1000);
    job.cancel();
    await expect(job.done).rejects.toMatchObject({ code: 'ABORTED' });
    expect(woken).toBeLessThanOrEqual(1);
  });
});
