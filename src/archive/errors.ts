// What every refusal of an archive says: which archive, which member, and what is wrong with it.

import { CheckpointError } from '../errors/checkpoint-error.js';

/** An archive that is damaged or that nobody who means well has made. `member` is its name as far as it is known. */
export function corrupt(archive: string, why: string, member?: string): CheckpointError<'ARCHIVE_CORRUPT'> {
  const where = member === undefined ? '' : `member "${member}": `;
  return new CheckpointError('ARCHIVE_CORRUPT', `Cannot read the archive "${archive}": ${where}${why}`, {
    archive,
    ...(member === undefined ? {} : { member }),
  });
}
