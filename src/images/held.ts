// What was opened in the course of an operation and must be let go of in the reverse order: a stand-in for AsyncDisposableStack,
// which Node 20 does not have.

export class Held implements AsyncDisposable {
  #release: (() => void | Promise<void>)[] = [];
  #disposed = false;

  /** Whether dispose has begun; what it held may not be used any more. */
  get disposed(): boolean {
    return this.#disposed;
  }

  /** `release` must not reject. */
  defer(release: () => void | Promise<void>): void {
    this.#release.push(release);
  }

  use<T extends Disposable>(resource: T): T {
    this.defer(() => resource[Symbol.dispose]());
    return resource;
  }

  /** Everything moves to the answer, and nothing is left here: `await using` then lets go of nothing. */
  move(): Held {
    const moved = new Held();
    moved.#release = this.#release;
    this.#release = [];
    return moved;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    for (let last = this.#release.pop(); last !== undefined; last = this.#release.pop()) await last();
  }
}
