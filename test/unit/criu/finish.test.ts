import { describe, expect, it } from 'vitest';
import type { PageSink } from '../../../src/addon/page-sink.js';
import type { CapturePlace } from '../../../src/criu/capture-place.js';
import { type Finish, finishing, type Gate, openGate } from '../../../src/criu/finish.js';

interface Scene {
  readonly finish: Finish;
  readonly gate: Gate;
  readonly controller: AbortController;
  readonly steps: string[];
  /** Ends the commit that is under way. */
  readonly end: () => void;
}

function scene(): Scene {
  const steps: string[] = [];
  const controller = new AbortController();
  const gate = openGate(controller.signal);
  let end: () => void = () => {};
  const place: Pick<CapturePlace, 'settle' | 'commit'> = {
    settle: async () => void steps.push('settle'),
    commit: () => {
      steps.push('commit');
      return new Promise<void>((resolve) => {
        end = () => {
          steps.push('committed');
          resolve();
        };
      });
    },
  };
  const sink = {} as PageSink;
  const tracker = { enter: (phase: string) => void steps.push(phase), stop: () => {} };
  const finish = finishing({ place, sink, tracker }, gate);
  return { finish, gate, controller, steps, end: () => end() };
}

describe('openGate()', () => {
  it('passes an abort and its reason on until it is closed', () => {
    const early = new AbortController();
    const gate = openGate(early.signal);
    early.abort('early');
    expect(gate.signal.reason).toBe('early');
    expect(openGate(AbortSignal.abort('before')).signal.reason).toBe('before');
    const late = new AbortController();
    const closed = openGate(late.signal);
    closed.close();
    late.abort('late');
    expect(closed.signal.aborted).toBe(false);
  });
});

describe('finishing()', () => {
  it('settles once and commits', async () => {
    const { finish, steps, end } = scene();
    await finish.settle();
    await finish.settle();
    const commit = finish.commit();
    end();
    expect(await commit).toBe(true);
    expect(steps).toEqual(['writing', 'settle', 'commit', 'committed']);
    expect(finish.committed).toBe(true);
  });

  it('does not hear an abort once the commit has begun', async () => {
    const { finish, gate, controller, end } = scene();
    const commit = finish.commit();
    controller.abort();
    expect([gate.signal.aborted, finish.committed]).toEqual([false, false]);
    end();
    expect(await commit).toBe(true);
  });

  it('does not commit after an abort', async () => {
    const { finish, controller, steps } = scene();
    controller.abort();
    expect(await finish.commit()).toBe(false);
    expect(steps).toEqual([]);
  });

  it('answer-after-the-end: a notification that is answered when all is over does not touch the directory', async () => {
    const { finish, steps } = scene();
    await finish[Symbol.asyncDispose]();
    expect(await finish.commit()).toBe(false);
    expect(steps).toEqual([]);
  });

  it('disposal waits for a commit that is under way', async () => {
    const { finish, steps, end } = scene();
    const commit = finish.commit();
    const disposal = finish[Symbol.asyncDispose]().then(() => void steps.push('disposed'));
    end();
    await Promise.all([commit, disposal]);
    expect(steps).toEqual(['commit', 'committed', 'disposed']);
  });
});
