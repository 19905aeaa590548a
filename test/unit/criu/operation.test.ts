import { describe, expect, it } from 'vitest';
import { operation, type Work } from '../../../src/criu/operation.js';

/** Turns of the event loop: everything that is due has run. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function listOf<T>(values: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const value of values) list.push(value);
  return list;
}

/** An operation that is ended by hand. */
function byHand(signal?: AbortSignal): {
  op: ReturnType<typeof operation<number, string>>;
  work: Work<number>;
  end: (report: string) => void;
  fail: (error: Error) => void;
} {
  let work: Work<number> | undefined;
  let end: (report: string) => void = () => {};
  let fail: (error: Error) => void = () => {};
  const op = operation<number, string>(signal, (context) => {
    work = context;
    return new Promise((resolve, reject) => {
      end = resolve;
      fail = reject;
    });
  });
  if (work === undefined) throw new Error('the work has not begun');
  return { op, work, end, fail };
}

describe('operation()', () => {
  it('begins at once, and its progress may be ignored', async () => {
    const { op, work, end } = byHand();
    work.emit(1);
    end('done');
    expect(await op.done).toBe('done');
  });

  it('shows a slow reader the latest snapshot, never a backlog', async () => {
    const { op, work, end } = byHand();
    const seen: number[] = [];
    work.emit(1);
    for await (const value of op) {
      seen.push(value);
      if (value === 1) for (const next of [2, 3, 4]) work.emit(next);
      if (value === 4) {
        work.emit(5);
        work.emit(6);
        end('done');
        await settle();
      }
    }
    expect(seen).toEqual([1, 4, 6]);
  });

  it('serves several readers, and one that comes when all is over', async () => {
    const { op, work, end } = byHand();
    const lists = [listOf(op), listOf(op)];
    work.emit(1);
    await settle();
    work.emit(2);
    await settle();
    end('done');
    expect(await Promise.all(lists)).toEqual([
      [1, 2],
      [1, 2],
    ]);
    expect(await listOf(op)).toEqual([2]);
  });

  it('ends the iteration with the failure', async () => {
    const { op, work, fail } = byHand();
    const list = listOf(op);
    work.emit(1);
    fail(new Error('broken'));
    await expect(list).rejects.toThrow('broken');
    await expect(op.done).rejects.toThrow('broken');
  });

  it('whose failure nobody looks at does not end the process', async () => {
    const unhandled: unknown[] = [];
    const note = (reason: unknown): void => void unhandled.push(reason);
    process.on('unhandledRejection', note);
    try {
      const { fail } = byHand();
      fail(new Error('ignored'));
      await settle();
      await settle();
    } finally {
      process.off('unhandledRejection', note);
    }
    expect(unhandled).toEqual([]);
  });

  it('is aborted by the caller, with the reason', () => {
    const controller = new AbortController();
    const { work } = byHand(controller.signal);
    expect(work.signal.aborted).toBe(false);
    controller.abort('enough');
    expect(work.signal.reason).toBe('enough');
  });

  it('is aborted by disposal, which waits for its end and never throws', async () => {
    const { op, work, fail } = byHand();
    let disposed = false;
    const disposal = op[Symbol.asyncDispose]().then(() => {
      disposed = true;
    });
    await settle();
    expect([work.signal.aborted, disposed]).toEqual([true, false]);
    fail(new Error('aborted'));
    await disposal;
    expect(disposed).toBe(true);
    await op[Symbol.asyncDispose]();
  });

  it('goes on when a reader leaves', async () => {
    const { op, work, end } = byHand();
    work.emit(1);
    for await (const value of op) {
      expect(value).toBe(1);
      break;
    }
    work.emit(2);
    end('done');
    expect(await op.done).toBe('done');
  });
});
