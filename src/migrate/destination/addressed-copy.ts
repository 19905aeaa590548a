// The copy of a tree and the address that moves with it: both are made ready while pages still travel, and both come, or are given up,
// together.

import type { Tree } from '../../criu/tree.js';
import { CheckpointError } from '../../errors/checkpoint-error.js';
import { type NetworkSwitch, switchNetwork } from '../network/switch.js';
import type { Copy, Held } from './copy.js';

export class AddressedCopy {
  readonly #networkSwitch: NetworkSwitch | undefined;
  /** From the announcement of the final dump on. */
  #copy: Promise<Copy> | undefined;
  /** The address of the tree can be had here. */
  #bindable: Promise<void> | undefined;

  constructor(networkSwitch: NetworkSwitch | undefined) {
    this.#networkSwitch = networkSwitch;
  }

  /** The final dump is announced. `make` starts to restore; its failure shows in ready() and in restore(). */
  prepare(make: () => Promise<Copy>): void {
    this.#bindable = switchNetwork(this.#networkSwitch, 'prepare');
    this.#bindable.catch(() => {});
    this.#copy ??= make();
    this.#copy.catch(() => {});
  }

  /** Resolves when CRIU waits for the images, and the address can be had. Rejects when they will not. */
  async ready(): Promise<void> {
    await this.#bindable;
    await (await this.#copy)?.ready;
  }

  /** Every image is there. Resolves when CRIU holds the copy; rejects as Copy.held does, or with PROTOCOL. */
  async restore(inventory: Uint8Array): Promise<Held> {
    const copy = await this.#copy;
    if (copy === undefined) throw new CheckpointError('PROTOCOL', 'Cannot restore: no final dump was announced', {});
    await this.#bindable;
    copy.begin(inventory);
    return copy.held;
  }

  /** As Copy.resume(). Only after restore(). */
  async resume(): Promise<Tree> {
    await switchNetwork(this.#networkSwitch, 'arrive');
    const copy = (await this.#copy) as Copy;
    return copy.resume();
  }

  /** As Copy.remove(). */
  async remove(): Promise<void> {
    const copy = await this.#copy?.catch(() => undefined);
    await copy?.remove();
    // What is left of the address is of no harm to a copy that there is not.
    if (this.#bindable !== undefined) await switchNetwork(this.#networkSwitch, 'undo').catch(() => {});
  }
}
