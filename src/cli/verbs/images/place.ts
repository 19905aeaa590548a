// The checkpoint that a verb of `images` is to look at: an images directory, or an archive, whose images lie in a folder for as long as it takes.

import { stat } from 'node:fs/promises';
import type { StageOptions } from '../../../archive/read/stage.js';
import type { Context } from '../../context.js';
import { UsageError } from '../../usage-error.js';
import { namedArchive } from '../archive-keys.js';

export interface Looking {
  readonly named: string;
  /** The verb whose help is pointed to. */
  readonly topic: string;
  readonly pages: NonNullable<StageOptions['pages']>;
}

/** Throws what `look` throws, and for an archive what a restore from it does, as far as it reads it. */
export async function inImages<T>(
  { named, topic, pages }: Looking,
  { preferences, interruption: { signal } }: Context,
  look: (imagesDir: string) => Promise<T>,
): Promise<T> {
  const { reading } = preferences;
  if (!(await isFile(named))) {
    if (reading.signerFiles.length > 0 || reading.requireEncryption)
      throw new UsageError(`"${named}" is no archive, and only an archive can be signed or encrypted`, topic);
    return look(named);
  }
  const { stageImages } = await import('../../../archive/read/stage.js');
  const archive = await namedArchive(named, reading, topic);
  await using staged = await stageImages(archive, { signal, pages, report: () => {} });
  return await look(staged.imagesDir);
}

async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (status) => status.isFile(),
    () => false,
  );
}
