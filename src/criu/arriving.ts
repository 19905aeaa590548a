// A restore whose images are still on their way. CRIU gets ready meanwhile, and waits where it opens the first image.

import type { Remnants } from './remnants.js';

export interface Arriving {
  /** Resolves when all images are there but the inventory, on which CRIU waits. Rejects when they will not come. */
  readonly whole: Promise<void>;
  /** CRIU has been asked to restore, and whoever serves lazy pages listens. */
  asked?(): void;
  /** Lets CRIU read the inventory. */
  release(): void;
  /** Lets CRIU fail. Idempotent, and without effect after release(). */
  abandon(): void;
}

export interface Feeding {
  readonly look: () => Promise<Remnants>;
  readonly answering: Promise<unknown>;
}

/** `undefined` when CRIU has ended before the images were there: then it has made nothing. */
export async function feed(
  arriving: Arriving | undefined,
  { look, answering }: Feeding,
): Promise<Remnants | undefined> {
  try {
    const ended = answering.then(() => 'ended');
    if ((await Promise.race([arriving?.whole, ended])) === 'ended') return undefined;
    const remnants = await look();
    arriving?.release();
    return remnants;
  } catch (error) {
    arriving?.abandon();
    await answering.catch(() => {});
    throw error;
  }
}
