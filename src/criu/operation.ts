// A long verb as one object: an async iterable of progress and a promise. Both may be ignored; iterating never slows the work, and a
// slow reader sees the latest snapshot, never a backlog.

/** `await using` it to be sure that it has ended: leaving the block aborts what still runs and waits for it. */
export interface Operation<Progress, Report> extends AsyncIterable<Progress>, AsyncDisposable {
  readonly done: Promise<Report>;
}

export interface Work<Progress> {
  /** The caller's signal and the operation's own. */
  readonly signal: AbortSignal;
  /** Latest wins. */
  emit(progress: Progress): void;
}

/** Starts `work` at once. */
export function operation<Progress, Report>(
  signal: AbortSignal | undefined,
  work: (context: Work<Progress>) => Promise<Report>,
): Operation<Progress, Report> {
  const own = new AbortController();
  const latest = new Latest<Progress>();
  const joined = signal === undefined ? own.signal : AbortSignal.any([signal, own.signal]);
  const done = work({ signal: joined, emit: (progress) => latest.put(progress) }).finally(() => latest.end());
  // Whoever only iterates learns of the failure there.
  done.catch(() => {});
  return {
    done,
    async *[Symbol.asyncIterator]() {
      yield* latest.values();
      await done;
    },
    async [Symbol.asyncDispose]() {
      own.abort(new Error('the operation was disposed before it ended'));
      await done.catch(() => {});
    },
  };
}

/** A box with room for one value and any number of readers. */
class Latest<T> {
  #value: T | undefined;
  #version = 0;
  #ended = false;
  #changed = deferred();

  put(value: T): void {
    this.#value = value;
    this.#version += 1;
    this.#wake();
  }

  end(): void {
    this.#ended = true;
    this.#wake();
  }

  async *values(): AsyncGenerator<T> {
    for (let seen = 0; ; ) {
      if (this.#value !== undefined && this.#version !== seen) {
        seen = this.#version;
        yield this.#value;
      } else if (this.#ended) return;
      else await this.#changed.promise;
    }
  }

  #wake(): void {
    const { resolve } = this.#changed;
    this.#changed = deferred();
    resolve();
  }
}

function deferred(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve: () => void = () => {};
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
