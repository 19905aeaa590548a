// The moment in which an images directory gets another checkpoint: renames only, each undone when a later one fails.
//
// inventory.img is what CRIU opens first, so a directory without it is no checkpoint. It leaves first and arrives last: whoever looks
// in between, or after our death, finds no checkpoint, and never half of one.

import { lstat, mkdir, readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { CheckpointError } from '../errors/checkpoint-error.js';
import { syncFolder, syncNames } from './sync.js';

export const INVENTORY = 'inventory.img';
// Files of a checkpoint: everything else in the directory (logs, descriptors.json, work files) is not ours to remove.
const IMAGE = /\.img$|\.tar\.gz$/;
const REPLACED = 'replaced';

export interface SwapOptions {
  /**
   * Whether the disk is asked after every step, so that the promise above holds for a crash of the machine too: the bytes are there
   * before the first name, all names before inventory.img, and that one before this is done.
   */
  readonly sync?: boolean;
}

/**
 * Moves everything from the folder `staged` into `imagesDir`, beside it on the same file system, and the checkpoint that was there into
 * `staged`/replaced. Rejects with IO; then the directory is as it was.
 */
export async function swapIn(imagesDir: string, staged: string, { sync = false }: SwapOptions = {}): Promise<void> {
  const arriving = await readdir(staged);
  const leaving = (await readdir(imagesDir)).filter((name) => IMAGE.test(name) || name === 'parent');
  const moves = new Moves(sync ? () => syncNames(imagesDir) : async () => {});
  try {
    if (sync) await syncFolder(staged);
    await assertFree(imagesDir, arriving, leaving);
    const replaced = join(staged, REPLACED);
    await mkdir(replaced, { mode: 0o700 });
    await moves.all(inventoryFirst(leaving), imagesDir, replaced);
    await moves.all(inventoryFirst(arriving).toReversed(), staged, imagesDir);
  } catch (cause) {
    const undone = await moves.undo();
    const { code = 'unknown', syscall = 'rename' } = cause as NodeJS.ErrnoException;
    const state = undone ? 'It is as it was' : `It holds no checkpoint any more; what it held was in "${staged}"`;
    const detail = { path: imagesDir, syscall, errno: code };
    throw new CheckpointError('IO', `Cannot put the images into "${imagesDir}": ${code}. ${state}`, detail, { cause });
  }
}

// Stages of names: those of one stage are moved at the same time.
function inventoryFirst(names: readonly string[]): readonly (readonly string[])[] {
  return [names.filter((name) => name === INVENTORY), names.filter((name) => name !== INVENTORY)];
}

// rename() would silently replace a file that is none of a checkpoint.
async function assertFree(imagesDir: string, arriving: readonly string[], leaving: readonly string[]): Promise<void> {
  const others = arriving.filter((name) => !leaving.includes(name));
  for (const name of others) {
    const taken = await lstat(join(imagesDir, name)).catch(() => undefined);
    if (taken !== undefined) throw Object.assign(new Error(`"${name}" is in the way`), { code: 'EEXIST' });
  }
}

class Moves {
  readonly #done: (readonly [from: string, to: string])[] = [];
  readonly #settle: () => Promise<void>;

  /** `settle` follows every stage. */
  constructor(settle: () => Promise<void>) {
    this.#settle = settle;
  }

  async all(stages: readonly (readonly string[])[], from: string, to: string): Promise<void> {
    for (const names of stages) {
      // Settled, all of them: nothing may still be moving when it is undone.
      const outcomes = await Promise.allSettled(names.map((name) => this.#one(join(from, name), join(to, name))));
      const failed = outcomes.find((outcome) => outcome.status === 'rejected');
      if (failed !== undefined) throw failed.reason;
      if (names.length > 0) await this.#settle();
    }
  }

  async #one(from: string, to: string): Promise<void> {
    await rename(from, to);
    this.#done.push([from, to]);
  }

  /** False when one could not be undone. Then the rest stays, above all the old inventory, which would be the last to return. */
  async undo(): Promise<boolean> {
    for (const [from, to] of this.#done.reverse()) {
      const back = await rename(to, from).then(
        () => true,
        () => false,
      );
      if (!back) return false;
    }
    return true;
  }
}
