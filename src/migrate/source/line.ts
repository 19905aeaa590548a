// The control stream while its end decides where a tree lives: a connection that may be lost, and that is made anew for as long as somebody's
// patience lasts.

import { setTimeout as delay } from 'node:timers/promises';
import type { SourceChannel } from '../wire/connect.js';

// At first often, for a connection that was only broken; then as seldom as makes no noise.
const RETRY_MS = 500;
const MAX_RETRY_MS = 15_000;
// A destination answers when its CRIU has ended, or resumed the copy.
const ANSWER_MS = 60_000;

export class Line {
  readonly #reconnect: () => Promise<SourceChannel>;
  #channel: SourceChannel | undefined;
  #attempts = 0;
  #asking: number | undefined;

  /** `channel`: none when it is lost already. `reconnect` rejects when there is none to be had now. */
  constructor(channel: SourceChannel | undefined, reconnect: () => Promise<SourceChannel>) {
    this.#channel = channel;
    this.#reconnect = reconnect;
  }

  get channel(): SourceChannel | undefined {
    return this.#channel;
  }

  /** As Channel.receive(). Whoever has answered our connection and not our question may be there no more. */
  async receive(): ReturnType<SourceChannel['receive']> {
    const channel = this.#channel;
    const late = this.#attempts === 0 ? undefined : setTimeout(() => channel?.destroy(), ANSWER_MS);
    return channel?.receive().finally(() => clearTimeout(late));
  }

  /** Patience begins anew with the next connection that is lost. */
  answered(): void {
    this.#asking = undefined;
  }

  /** Connects again, as often as it takes. False when nobody has answered for `patienceMs`, counted from the first attempt since answered(). */
  async renew(patienceMs: number): Promise<boolean> {
    this.#channel?.destroy();
    this.#asking ??= performance.now();
    for (;;) {
      // Also after an answer that told nothing.
      if (this.#attempts > 0) await delay(Math.min(RETRY_MS * 2 ** (this.#attempts - 1), MAX_RETRY_MS));
      this.#attempts += 1;
      if (performance.now() - this.#asking > patienceMs) return false;
      const channel = await this.#reconnect().catch(() => undefined);
      if (channel === undefined) continue;
      this.#channel = channel;
      return true;
    }
  }
}
